using System.Diagnostics;
using System.Globalization;

namespace MLNet.Gpt.Benchmarks;

/// <summary>
/// Two classifiers, a reward, a value and a pooled vector over the trunk of a language model in one package, float32: what they cost with each decoded token, and what a classifier costs there beside its own package,
/// whose last block is computed at one place of each row. The peers are the packages without the others; all take turns, and the medians count.
/// </summary>
internal static class HeadsBenchmark
{
    private const int Depth = 32, Steps = 32, Rows = 8, Tokens = 64;

    public static int Run(BenchmarkArguments arguments)
    {
        int rounds = arguments.Int("--rounds", 7), layers = arguments.Int("--layers", 12), width = arguments.Int("--width", 768), vocabulary = arguments.Int("--vocabulary", 50_257);
        arguments.RefuseOthers();
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-heads-").FullName;
        try
        {
            return Run(GptConfig.Gpt2Small with { LayerCount = layers, EmbeddingSize = width, HeadCount = width / 64, VocabularySize = vocabulary, ContextLength = 256 }, rounds, folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static int Run(GptConfig config, int rounds, string folder)
    {
        string plain = Path.Combine(folder, "plain"), all = Path.Combine(folder, "all"), alone = Path.Combine(folder, "alone");
        var trunk = new RandomWeights(config);
        var classifier = new RandomClassifier(config, new ClassifierHead { Task = SupervisedTask.TextClassification, Labels = ["a", "b", "c", "d"] });
        var reward = new RandomReward(config);
        OnnxExporter.Write(trunk, plain);
        OnnxExporter.WriteClassifier(classifier, alone);
        OnnxExporter.Write(trunk, all, new() { Heads = [OnnxHead.Classifier("first", classifier), OnnxHead.Classifier("second", classifier), OnnxHead.Reward("reward", reward), OnnxHead.Value("value", reward), OnnxHead.Embedding("vector")] });

        using var plainEngine = new OwnEngine(plain);
        using var allEngine = new OwnEngine(all);
        using OnnxTextClassifier own = OnnxTextClassifier.Load(alone, GptDevice.Cpu), shared = OnnxTextClassifier.Load(all, GptDevice.Cpu, head: "first");
        List<double>[] seconds = [[], [], [], []];
        for (int round = -1; round < rounds; round++)
        {
            double[] found = [plainEngine.Decode(1, Depth, Steps), allEngine.Decode(1, Depth, Steps), Classify(own), Classify(shared)];
            for (int i = 0; round >= 0 && i < found.Length; i++) seconds[i].Add(found[i]); // the first is for warming up
        }

        double token = Median(0) / Steps, tokenWithHeads = Median(1) / Steps, rows = Median(2), rowsShared = Median(3);
        Console.WriteLine(Invariant($"heads: {config.ParameterCount:N0} parameters, {rounds} rounds"));
        Console.WriteLine(Invariant($"a token                        {1e3 * token,9:F3} ms alone   {1e3 * tokenWithHeads,9:F3} ms with five heads   {tokenWithHeads / token:F3}"));
        Console.WriteLine(Invariant($"{Rows} rows of {Tokens} tokens, classified {1e3 * rows,5:F1} ms alone   {1e3 * rowsShared,9:F1} ms over the trunk    {rowsShared / rows:F3}"));
        Console.WriteLine(Invariant($"heads ours={1e3 * tokenWithHeads:F3} peer={1e3 * token:F3} ratio={tokenWithHeads / token:F3} classify={1e3 * rowsShared:F1} classify_peer={1e3 * rows:F1} classify_ratio={rowsShared / rows:F3} unit=ms"));
        return 0;

        double Median(int which) => seconds[which].Order().ElementAt(seconds[which].Count / 2);
    }

    private static double Classify(OnnxTextClassifier model)
    {
        int[] ids = [.. Enumerable.Range(0, Rows * Tokens).Select(static i => i % 200)], lengths = new int[Rows];
        lengths.AsSpan().Fill(Tokens);
        float[] outputs = new float[Rows * model.Head.OutputCount];
        var clock = Stopwatch.StartNew();
        model.Run(ids, lengths, outputs);
        return clock.Elapsed.TotalSeconds;
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed class RandomReward(GptConfig config) : IRewardWeights
    {
        private readonly RandomWeights _network = new(config);

        public GptConfig Config => config;

        public RewardHead Head { get; } = new();

        public void Read(string name, Span<float> destination)
        {
            if (GptParameterLayout.Of(config).Any(parameter => parameter.Name == name)) _network.Read(name, destination);
            else for (int i = 0; i < destination.Length; i++) destination[i] = 0.02f * MathF.Cos(i);
        }
    }
}
