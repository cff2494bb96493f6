using System.Globalization;

namespace MLNet.Gpt.Benchmarks;

/// <summary>Cost against size: the time of a step over parameters, and over the context at a fixed model, beside PyTorch's.</summary>
internal static class ScalingBenchmark
{
    private const int TokensOfSizes = 1_024, TokensOfContexts = 2_048, ContextOfSizes = 128;

    private static readonly (int Layers, int Heads, int Width)[] Sizes = [(2, 2, 128), (4, 4, 256), (6, 6, 384), (8, 8, 512), (12, 12, 768)];

    private static readonly int[] Contexts = [64, 128, 256, 512, 1_024, 2_048];

    public static int Run(BenchmarkArguments arguments)
    {
        int chosen = arguments.Int("--steps", -1), rounds = arguments.Int("--rounds", 1);
        int sizes = arguments.Int("--sizes", Sizes.Length), contexts = arguments.Int("--contexts", Contexts.Length);
        int vocabulary = arguments.Int("--vocabulary", 0);
        bool bfloat16 = arguments.Has("--bfloat16");
        string picture = arguments.Text("--picture", Path.Combine(Repository.Root, "docs", bfloat16 ? "scaling-cost-bfloat16.svg" : "scaling-cost.svg"));
        arguments.RefuseOthers();
        if (chosen == 0 || sizes < 2 || sizes > Sizes.Length || contexts < 2 || contexts > Contexts.Length)
            throw new ArgumentException($"--steps needs 1 or more, --sizes 2 to {Sizes.Length}, --contexts 2 to {Contexts.Length}.");

        string path = Repository.TestData("tinyshakespeare.txt");
        string text = File.ReadAllText(path);
        GptTokenizer tokenizer = GptTokenizer.FromCharacters([text]);
        string format = bfloat16 ? "bfloat16 (the peer under autocast)" : "float32";
        Console.WriteLine($"scaling: {format}, {rounds} rounds of {(chosen > 0 ? $"{chosen}" : $"{StepsOf(2)} (2 layers), {StepsOf(4)} (4) or {StepsOf(6)}")} steps a point, medians; PyTorch is the faster of eager and torch.compile up to 4 layers, eager beyond");

        Console.WriteLine($"\n{TokensOfSizes:N0} tokens a step, context {ContextOfSizes}");
        Console.WriteLine("  layers × width  parameters   ours, ms  plain, ms   peer, ms   ratio   ratio to plain");
        var overSize = new List<Point>();
        foreach ((int layers, int heads, int width) in Sizes[..sizes])
        {
            Point point = Measure(new PretrainSetting(layers, heads, width, ContextOfSizes, TokensOfSizes / ContextOfSizes, StepsOf(layers), 1, Evaluate: false, BFloat16: false) { Vocabulary = vocabulary }, TokensOfSizes);
            overSize.Add(point);
            Console.WriteLine(Invariant($"  {layers,6} × {width,-6}{point.Parameters,12:N0}{1000 * point.Ours,11:F1}{1000 * point.Plain,11:F1}{1000 * point.Peer,11:F1}{point.Ratio,8:F2}{point.RatioPlain,17:F2}"));
        }

        Console.WriteLine($"\n{TokensOfContexts:N0} tokens a step, 6 layers of 384");
        Console.WriteLine("         context       batch   ours, ms  plain, ms   peer, ms   ratio   ratio to plain");
        var overContext = new List<Point>();
        foreach (int context in Contexts[..contexts])
        {
            Point point = Measure(new PretrainSetting(6, 6, 384, context, TokensOfContexts / context, StepsOf(6), 1, Evaluate: false, BFloat16: false) { Vocabulary = vocabulary }, TokensOfContexts);
            overContext.Add(point);
            Console.WriteLine(Invariant($"  {context,14:N0}{TokensOfContexts / context,12:N0}{1000 * point.Ours,11:F1}{1000 * point.Plain,11:F1}{1000 * point.Peer,11:F1}{point.Ratio,8:F2}{point.RatioPlain,17:F2}"));
        }

        // The slope of log time over log N between the two largest sizes, where the matrix products outweigh the rest.
        double ours = Slope(static p => p.Ours), peer = Slope(static p => p.Peer);
        File.WriteAllText(picture, ScalingPicture.Draw(overSize, overContext, format));
        Console.WriteLine($"\npicture: {picture}\n");
        Point[] all = [.. overSize, .. overContext];
        Point reference = overContext[Math.Min(2, overContext.Count - 1)];
        double mean = Math.Exp(all.Average(static p => Math.Log(p.Ratio)));
        Console.WriteLine(Invariant($"scaling ours={TokensOfContexts / reference.Ours:F0} peer={TokensOfContexts / reference.Peer:F0} ratio={reference.Ratio:F3} unit=tokens/s ratio_mean={mean:F3} ratio_min={all.Min(static p => p.Ratio):F3} ratio_plain_min={all.Min(static p => p.RatioPlain):F3} ratio_plain_mean={Math.Exp(all.Average(static p => Math.Log(p.RatioPlain))):F3} exponent={ours:F3} peer_exponent={peer:F3} context_cost={overContext[^1].Ours / overContext[0].Ours:F3} peer_context_cost={overContext[^1].Peer / overContext[0].Peer:F3}"));
        return 0;

        // Some seconds each: a process of ours, or TorchSharp's, compiles its code for good within the first ones.
        int StepsOf(int layers) => chosen > 0 ? chosen : layers switch { <= 2 => 200, <= 4 => 60, _ => 12 };

        double Slope(Func<Point, double> time) => Math.Log(time(overSize[^1]) / time(overSize[^2])) / Math.Log(overSize[^1].Parameters / (double)overSize[^2].Parameters);

        Point Measure(PretrainSetting setting, int tokens)
        {
            PretrainBenchmark.Rates rates = PretrainBenchmark.Compare(setting, text, tokenizer, path, rounds, bfloat16, compile: setting.Layers <= 4);
            return new(setting.Config(tokenizer.VocabularySize).ParameterCount, setting.Context, tokens / rates.Ours, tokens / rates.Plain, tokens / rates.Peer);
        }
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>One measurement of all sides, in seconds a step.</summary>
    internal sealed record Point(long Parameters, int Context, double Ours, double Plain, double Peer)
    {
        public double Ratio => Peer / Ours;

        public double RatioPlain => Plain / Ours;
    }
}
