using System.Globalization;
using System.Text.Json;
using Microsoft.ML;
using static TorchSharp.torch;

namespace MLNet.Gpt.Benchmarks;

/// <summary>Trains on the characters of tinyshakespeare: our trainer, then PyTorch eager, in the same environment.</summary>
internal static class PretrainBenchmark
{
    public static int Run(string name, PretrainSetting setting, BenchmarkArguments arguments)
    {
        setting = setting with
        {
            Steps = arguments.Int("--steps", setting.Steps),
            Seeds = arguments.Int("--seeds", setting.Seeds),
            Evaluate = setting.Evaluate && !arguments.Has("--speed-only"),
        };
        arguments.RefuseOthers();
        string path = Repository.TestData("tinyshakespeare.txt");
        string text = File.ReadAllText(path);
        GptTokenizer tokenizer = GptTokenizer.FromCharacters([text]);

        Console.WriteLine($"{name}: {setting.Layers} layers, {setting.Heads} heads, width {setting.Width}, context {setting.Context}, batch {setting.Batch}, {setting.Steps} steps");
        var ours = new List<Measured>();
        for (int seed = 1; seed <= setting.Seeds; seed++) ours.Add(Train(setting, text, tokenizer, seed, GptPrecision.Float32));
        Measured? oursBFloat16 = setting.BFloat16 ? Train(setting, text, tokenizer, 1, GptPrecision.BFloat16) : null;
        Measured peer = TrainPeer(setting, path, autocast: false);
        Measured? peerBFloat16 = setting.BFloat16 ? TrainPeer(setting, path, autocast: true) : null;

        double speed = ours.Select(static m => m.TokensPerSecond).Order().ElementAt(ours.Count / 2);
        double loss = ours.Average(static m => m.ValidationLoss);
        Console.WriteLine();
        Console.WriteLine("                      tokens/s   ms/step   validation loss");
        foreach (Measured m in ours) Row("ours, float32", m);
        Row("peer, float32", peer);
        if (oursBFloat16 is not null) Row("ours, bfloat16", oursBFloat16);
        if (peerBFloat16 is not null) Row("peer, autocast", peerBFloat16);
        Console.WriteLine("\nms an update, medians     forward  backward  optimizer      data      rest");
        Parts("ours, float32", ours[0]);
        if (oursBFloat16 is not null) Parts("ours, bfloat16", oursBFloat16);
        if (setting.BFloat16) PrintPeaks();
        Console.WriteLine();

        string line = Invariant($"{name} ours={speed:F0} peer={peer.TokensPerSecond:F0} ratio={speed / peer.TokensPerSecond:F3}");
        if (setting.Evaluate) line += Invariant($" loss={loss:F4} peer_loss={peer.ValidationLoss:F4}");
        if (oursBFloat16 is not null && peerBFloat16 is not null)
        {
            line += Invariant($" ratio_bf16={oursBFloat16.TokensPerSecond / peer.TokensPerSecond:F3} ratio_bf16_peer={oursBFloat16.TokensPerSecond / peerBFloat16.TokensPerSecond:F3}");
            if (setting.Evaluate) line += Invariant($" loss_bf16={oursBFloat16.ValidationLoss:F4}");
        }

        Console.WriteLine(line + " unit=tokens/s");
        return 0;

        // What the arithmetic units reach in one large product, and how much of it a step's forward and backward pass make use of.
        void PrintPeaks()
        {
            double flops = setting.Config(tokenizer.VocabularySize).FlopsPerToken;
            Console.WriteLine(Invariant($"\na 2048³ product here; {flops:E2} FLOP a token:"));
            Peak("float32", ScalarType.Float32, ("ours", speed), ("peer", peer.TokensPerSecond));
            if (oursBFloat16 is not null && peerBFloat16 is not null)
                Peak("bfloat16", ScalarType.BFloat16, ("ours", oursBFloat16.TokensPerSecond), ("peer", peerBFloat16.TokensPerSecond));

            void Peak(string format, ScalarType type, params (string Side, double TokensPerSecond)[] sides)
            {
                double peak = MatrixPeak.Measure(type);
                Console.WriteLine(Invariant($"  {format,-10}{peak / 1e9,7:F0} GFLOP/s; a step reaches ") + string.Join(", ", sides.Select(s => Invariant($"{100 * s.TokensPerSecond * flops / peak:F0} % ({s.Side})"))));
            }
        }

        static void Parts(string side, Measured m) => Console.WriteLine(Invariant(
            $"{side,-22}{m.Parts!.Forward,11:F1}{m.Parts.Backward,10:F1}{m.Parts.Optimizer,11:F1}{m.Parts.Data,10:F1}{m.Parts.Rest,10:F1}"));

        void Row(string side, Measured m) => Console.WriteLine(Invariant(
            $"{side,-18}{m.TokensPerSecond,12:N0}{1000.0 * setting.Batch * setting.Context / m.TokensPerSecond,10:F1}{(setting.Evaluate ? Invariant($"{m.ValidationLoss,18:F4}") : "")}"));
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
            ActivationCheckpointing = checkpointing,
            Precision = precision,
            SplitByPosition = true,
            EvaluationInterval = setting.Evaluate ? setting.Steps : 0,
            LogInterval = 1,
            MeasureStepTimes = true,
            PeakFlops = 0,
            ReturnBest = false,
            Device = GptDevice.Cpu,
            Progress = p =>
            {
                speeds.Add(p.TokensPerSecond);
                if (p.StepTimes is { } times) parts.Add(times);
                if (p.Step % 100 == 0) Console.Error.WriteLine($"ours seed {seed} {precision} {p}");
            },
        });
        using GptLanguageModelTransformer model = trainer.Fit(ml.Data.LoadFromEnumerable([new Document(text)]));
        speeds.Sort();
        return new(speeds[speeds.Count / 2], model.Training.ValidationLoss ?? double.NaN)
        {
            Parts = new(Median(static p => p.Forward), Median(static p => p.Backward), Median(static p => p.Optimizer), Median(static p => p.Data), Median(static p => p.Rest)),
        };

        double Median(Func<StepTimes, double> part) => parts.Select(part).Order().ElementAt(parts.Count / 2);
    }

    internal static Measured TrainPeer(PretrainSetting setting, string path, bool autocast)
    {
        JsonElement result = RunPeer(setting, path, autocast ? [("--autocast", null)] : []);
        return new(result.GetProperty("tokens_per_second").GetDouble(), setting.Evaluate ? result.GetProperty("validation_loss").GetDouble() : double.NaN);
    }

    internal static JsonElement RunPeer(PretrainSetting setting, string path, (string Name, object? Value)[] extra)
    {
        List<(string, object?)> arguments =
        [
            ("--text", path), ("--layers", setting.Layers), ("--heads", setting.Heads), ("--width", setting.Width), ("--context", setting.Context),
            ("--batch", setting.Batch), ("--steps", setting.Steps), ("--lr", setting.LearningRate), ("--min-lr", setting.MinLearningRate), ("--warmup", setting.Warmup),
            .. extra,
        ];
        if (!setting.Evaluate) arguments.Add(("--no-evaluation", null));
        return Peer.Run("pretrain.py", [.. arguments]);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    internal sealed record Measured(double TokensPerSecond, double ValidationLoss)
    {
        /// <summary>Where our update's time goes, medians in milliseconds; null for the peer.</summary>
        public StepTimes? Parts { get; init; }
    }

    private sealed record Document(string Text);
}
