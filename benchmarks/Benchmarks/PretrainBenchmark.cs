using System.Globalization;
using System.Text.Json;
using Microsoft.ML;
using static TorchSharp.torch;

namespace MLNet.Gpt.Benchmarks;

/// <summary>Trains on the characters of tinyshakespeare: our trainer, plain TorchSharp, PyTorch eager and torch.compile, in the same environment.</summary>
internal static class PretrainBenchmark
{
    public static int Run(string name, PretrainSetting setting, BenchmarkArguments arguments)
    {
        int steps = arguments.Int("--steps", setting.Steps), seeds = arguments.Int("--seeds", setting.Seeds);
        int rounds = arguments.Int("--rounds", 3), speedSteps = arguments.Int("--speed-steps", setting.SpeedSteps);
        bool losses = setting.Evaluate && !arguments.Has("--speed-only");
        if (arguments.Has("--float32")) setting = setting with { BFloat16 = false };
        arguments.RefuseOthers();
        string path = Repository.TestData("tinyshakespeare.txt");
        string text = File.ReadAllText(path);
        GptTokenizer tokenizer = GptTokenizer.FromCharacters([text]);
        Console.WriteLine($"{name}: {setting.Layers} layers, {setting.Heads} heads, width {setting.Width}, context {setting.Context}, batch {setting.Batch}; {rounds} rounds of {speedSteps} steps a side, medians");

        Rates wide = Compare(setting with { Steps = speedSteps, Evaluate = false }, text, tokenizer, path, rounds, bfloat16: false);
        Rates? narrow = setting.BFloat16 ? Compare(setting with { Steps = speedSteps, Evaluate = false }, text, tokenizer, path, rounds, bfloat16: true) : null;
        Rates? busy = null;
        if (setting.Busy)
        {
            using BusyMachine others = BusyMachine.Start();
            busy = Compare(setting with { Steps = speedSteps, Evaluate = false }, text, tokenizer, path, rounds, bfloat16: false);
        }

        double flops = setting.Config(tokenizer.VocabularySize).FlopsPerToken;
        Console.WriteLine("\n                       ours    plain TorchSharp    PyTorch eager  torch.compile   product, GFLOP/s (libtorch: best, median; PyTorch)   ours, of them");
        Row("float32", wide);
        if (narrow is not null) Row("bfloat16", narrow);
        if (busy is not null) Row("busy machine", busy);
        Parts("float32", wide);
        if (narrow is not null) Parts("bfloat16", narrow);
        Console.WriteLine("(tokens/s; PyTorch in bfloat16 is its autocast; on the busy machine another process computes on each core)\n");

        string line = Invariant($"{name} ours={wide.Ours:F0} plain={wide.Plain:F0} eager={wide.Eager:F0} compile={wide.Compile:F0} ratio={wide.Ours / wide.Peer:F3} ratio_plain={wide.Ours / wide.Plain:F3} of_peak={OfPeak(wide):F3} of_product={OfProduct(wide):F3}");
        if (narrow is not null) line += Invariant($" ours_bf16={narrow.Ours:F0} ratio_bf16={narrow.Ours / narrow.Peer:F3} ratio_plain_bf16={narrow.Ours / narrow.Plain:F3} of_peak_bf16={OfPeak(narrow):F3} of_product_bf16={OfProduct(narrow):F3}");
        if (busy is not null) line += Invariant($" busy={busy.Ours:F0} busy_plain={busy.Plain:F0} busy_eager={busy.Eager:F0} ratio_busy={busy.Ours / busy.Peer:F3}");
        if (losses)
        {
            PretrainSetting full = setting with { Steps = steps };
            double[] ours = [.. Enumerable.Range(1, seeds).Select(seed => Train(full, text, tokenizer, seed, GptPrecision.Float32).ValidationLoss)];
            Console.WriteLine($"validation losses after {steps} steps, float32: {string.Join(", ", ours.Select(static l => Invariant($"{l:F4}")))}");
            line += Invariant($" loss={ours.Average():F4}");
            if (setting.BFloat16) line += Invariant($" loss_bf16={Train(full, text, tokenizer, 1, GptPrecision.BFloat16).ValidationLoss:F4}");
            line += Invariant($" peer_loss={RunPeer(full, path, []).GetProperty("validation_loss").GetDouble():F4}");
        }

        Console.WriteLine(line + " unit=tokens/s");
        return 0;

        void Parts(string format, Rates r) => Console.WriteLine(Invariant(
            $"ours in {format}, ms an update: forward {r.Parts.Forward:F1}, backward {r.Parts.Backward:F1}, optimizer {r.Parts.Optimizer:F1}, data {r.Parts.Data:F1}, rest {r.Parts.Rest:F1}"));

        double OfPeak(Rates rates) => rates.Ours * flops / rates.Peak;

        double OfProduct(Rates rates) => rates.Ours * flops / rates.Product;

        void Row(string format, Rates r) => Console.WriteLine(Invariant(
            $"{format,-12}{r.Ours,15:N0}{r.Plain,20:N0}{r.Eager,17:N0}{r.Compile,15:N0}{r.Peak / 1e9,20:F0}, {r.Product / 1e9:F0}; {r.PeerPeak,-10:F0}{100 * OfPeak(r),25:F0} %, {100 * OfProduct(r):F0} %"));
    }

    /// <summary>All sides in turn, several times, so that a machine that drifts does so under each of them.</summary>
    internal static Rates Compare(PretrainSetting setting, string text, GptTokenizer tokenizer, string path, int rounds, bool bfloat16, bool compile = true)
    {
        double tokens = setting.Batch * setting.Context;
        List<double> ours = [], plain = [], eager = [], compiled = [], peak = [], product = [], peerPeak = [];
        StepTimes? parts = null;
        (string, object?)[] format = bfloat16 ? [("--autocast", null)] : [];
        for (int round = 0; round < rounds; round++)
        {
            Measured measured = Train(setting, text, tokenizer, 1, bfloat16 ? GptPrecision.BFloat16 : GptPrecision.Float32);
            ours.Add(measured.TokensPerSecond);
            parts = measured.Parts;
            plain.Add(tokens / PlainGpt.Train(setting, text, tokenizer, bfloat16));
            (double best, double median) = MatrixPeak.Measure(bfloat16 ? ScalarType.BFloat16 : ScalarType.Float32);
            peak.Add(best);
            product.Add(median);
            JsonElement peer = RunPeer(setting, path, format);
            eager.Add(peer.GetProperty("tokens_per_second").GetDouble());
            peerPeak.Add(peer.GetProperty("product_gflops").GetDouble());
            if (compile) compiled.Add(RunPeer(setting, path, [.. format, ("--compile", null)]).GetProperty("tokens_per_second").GetDouble());
        }

        return new(Median(ours), Median(plain), Median(eager), compile ? Median(compiled) : 0, peak.Max(), Median(product), peerPeak.Max(), parts!);

        static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
    }

    internal static Measured Train(PretrainSetting setting, string text, GptTokenizer tokenizer, int seed, GptPrecision precision, bool checkpointing = false)
    {
        var ml = new MLContext(seed);
        var speeds = new List<double>();
        var parts = new List<StepTimes>();
        LanguageModelTrainer trainer = ml.Gpt().Trainers.LanguageModel("Text", new LanguageModelOptions
        {
            Model = setting.Config(tokenizer.VocabularySize),
            Tokenizer = tokenizer,
            MaxSteps = setting.Steps,
            BatchSize = setting.Batch,
            Optimizer = new AdamWOptions { LearningRate = setting.LearningRate, MinLearningRate = setting.MinLearningRate, WarmupSteps = setting.Warmup, Beta2 = 0.99 },
            ResidualInitializerScale = setting.ResidualInitializerScale,
            SplitByPosition = true,
            Evaluation = new() { Interval = setting.Evaluate ? setting.Steps : 0, ReturnBest = false },
            Run = new()
            {
                ActivationCheckpointing = checkpointing,
                Precision = precision,
                LogInterval = 1,
                MeasureStepTimes = true,
                PeakFlops = 0,
                Device = GptDevice.Cpu,
                Progress = p =>
                {
                    speeds.Add(p.TokensPerSecond);
                    if (p.StepTimes is { } times) parts.Add(times);
                    if (p.Step % 100 == 0) Console.Error.WriteLine($"ours seed {seed} {precision} {p}");
                },
            },
        });
        using GptLanguageModelTransformer model = trainer.Fit(ml.Data.LoadFromEnumerable([new Document(text)]));
        int warmUp = PretrainSetting.WarmUpOf(speeds.Count);
        return new(speeds.Skip(warmUp).Order().ElementAt((speeds.Count - warmUp) / 2), model.Training.ValidationLoss ?? double.NaN,
            new(Median(static p => p.Forward), Median(static p => p.Backward), Median(static p => p.Optimizer), Median(static p => p.Data), Median(static p => p.Rest)));

        double Median(Func<StepTimes, double> part) => parts.Skip(warmUp).Select(part).Order().ElementAt((parts.Count - warmUp) / 2);
    }

    internal static JsonElement RunPeer(PretrainSetting setting, string path, (string Name, object? Value)[] extra)
    {
        List<(string, object?)> arguments =
        [
            ("--text", path), ("--layers", setting.Layers), ("--heads", setting.Heads), ("--width", setting.Width), ("--context", setting.Context),
            ("--batch", setting.Batch), ("--steps", setting.Steps), ("--lr", setting.LearningRate), ("--min-lr", setting.MinLearningRate), ("--warmup", setting.Warmup), ("--vocabulary", setting.Vocabulary),
            .. extra,
        ];
        if (!setting.Evaluate) arguments.Add(("--no-evaluation", null));
        return Peer.Run("pretrain.py", [.. arguments]);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <param name="TokensPerSecond">The median of the updates after the warm-up.</param>
    /// <param name="ValidationLoss">At the end, or NaN.</param>
    /// <param name="Parts">Where an update's time goes, medians in milliseconds.</param>
    internal sealed record Measured(double TokensPerSecond, double ValidationLoss, StepTimes Parts);

    /// <summary>Tokens a second of each side, and what one large product reaches: of our libtorch at its quickest and in the median in operations a second, of the peer's in GFLOP/s (float32); where our last round's updates spent their time.</summary>
    internal sealed record Rates(double Ours, double Plain, double Eager, double Compile, double Peak, double Product, double PeerPeak, StepTimes Parts)
    {
        /// <summary>The faster of PyTorch's two.</summary>
        public double Peer => Math.Max(Eager, Compile);
    }

    private sealed record Document(string Text);
}
