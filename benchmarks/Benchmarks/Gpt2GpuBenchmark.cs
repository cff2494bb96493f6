using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.ML;

namespace MLNet.Gpt.Benchmarks;

/// <summary>GPT-2 124M in bfloat16 at context 1,024: tokens a second and the share of the arithmetic peak, beside PyTorch eager and compiled.</summary>
internal static class Gpt2GpuBenchmark
{
    /// <summary>Dense bfloat16 of an H100 or H200 (SXM) by NVIDIA's data sheet, in TFLOP/s.</summary>
    private const int DataSheetTeraflops = 989;

    public static int Run(BenchmarkArguments arguments)
    {
        bool cpu = arguments.Text("--device", "cuda") switch
        {
            "cuda" => false,
            "cpu" => true,
            string other => throw new ArgumentException($"--device is '{other}'; it can be cuda or cpu."),
        };
        bool tiny = arguments.Has("--tiny");
        GptConfig config = tiny
            ? new GptConfig { VocabularySize = 512, ContextLength = 64, EmbeddingSize = 64, LayerCount = 2, HeadCount = 2 }
            : GptConfig.Gpt2Small with { VocabularySize = 50_304 };
        int batch = arguments.Int("--batch", tiny ? 4 : 64), micro = arguments.Int("--micro", tiny ? 2 : 32), steps = arguments.Int("--steps", tiny ? 6 : 30);
        int sheet = arguments.Int("--datasheet-tflops", DataSheetTeraflops);
        arguments.RefuseOthers();
        if (micro < 1 || batch % micro != 0) throw new ArgumentException($"--batch {batch} isn't a multiple of --micro {micro}.");

        Console.WriteLine($"gpt2-gpu: {config.LayerCount} layers of {config.EmbeddingSize}, vocabulary {config.VocabularySize}, context {config.ContextLength}, {config.ParameterCount:N0} parameters; {batch} rows an update, {micro} at once, {steps} updates; bfloat16 on {(cpu ? "cpu" : "cuda")}");

        // The peers first: their processes end, and give the GPU's memory back; this one keeps what its allocator has taken.
        JsonElement eager = TrainPeer(compile: false), compiled = TrainPeer(compile: true);
        double ours = Train(config, cpu ? GptDevice.Cpu : GptDevice.Cuda(), batch, micro, steps);
        double peer = eager.GetProperty("tokens_per_second").GetDouble(), peak = eager.GetProperty("gemm_flops").GetDouble();
        double? fast = compiled.TryGetProperty("tokens_per_second", out JsonElement value) ? value.GetDouble() : null;

        double flops = config.FlopsPerToken;
        Console.WriteLine();
        Console.WriteLine(Invariant($"device            {(eager.TryGetProperty("gpu", out JsonElement gpu) ? gpu.GetString() : "cpu")}, PyTorch {eager.GetProperty("torch").GetString()}"));
        Console.WriteLine(Invariant($"GEMM peak         {peak / 1e12:F1} TFLOP/s measured (bfloat16); data sheet {sheet} TFLOP/s"));
        Console.WriteLine("                      tokens/s   ms/update   MFU, measured peak   MFU, data sheet");
        Row("ours", ours);
        Row("PyTorch eager", peer);
        if (fast is { } f) Row("torch.compile", f);
        else Console.WriteLine($"torch.compile     not available: {compiled.GetProperty("unavailable").GetString()}");
        Console.WriteLine();
        Console.WriteLine(Invariant($"gpt2-gpu ours={ours:F0} peer={peer:F0} ratio={ours / peer:F3} unit=tokens/s mfu={ours * flops / peak:F4} peer_mfu={peer * flops / peak:F4} mfu_datasheet={ours * flops / (sheet * 1e12):F4}")
            + (fast is { } c ? Invariant($" compile={c:F0} ratio_compile={ours / c:F3}") : " compile=unavailable"));
        return 0;

        void Row(string side, double speed) => Console.WriteLine(Invariant(
            $"{side,-18}{speed,12:N0}{1000.0 * batch * config.ContextLength / speed,12:F1}{100 * speed * flops / peak,19:F1} %{100 * speed * flops / (sheet * 1e12),16:F2} %"));

        JsonElement TrainPeer(bool compile)
        {
            List<(string, object?)> list =
            [
                ("--device", cpu ? "cpu" : "cuda"), ("--layers", config.LayerCount), ("--heads", config.HeadCount), ("--width", config.EmbeddingSize),
                ("--context", config.ContextLength), ("--vocabulary", config.VocabularySize), ("--batch", batch), ("--micro", micro), ("--steps", steps),
                ("--gemm-size", cpu ? 1_024 : 8_192),
            ];
            if (compile) list.Add(("--compile", null));
            return Peer.Run("gpt2_cuda.py", [.. list]);
        }
    }

    private static double Train(GptConfig config, GptDevice device, int batch, int micro, int steps)
    {
        // Random text of as many characters as there are tokens, up to 20,000: what is read doesn't change the speed.
        int alphabet = Math.Min(config.VocabularySize - 1, 20_000);
        var random = new Random(1);
        long needed = Math.Max(3L * batch * config.ContextLength, alphabet * 2L);
        var text = new StringBuilder();
        for (long i = 0; i < Math.Min(needed, 4_000_000); i++) text.Append((char)(0x4E00 + random.Next(alphabet)));
        string document = text.ToString();

        var speeds = new List<double>();
        var ml = new MLContext(1);
        LanguageModelTrainer trainer = ml.Gpt().Trainers.LanguageModel("Text", new LanguageModelOptions
        {
            Model = config,
            Tokenizer = GptTokenizer.FromCharacters([document]),
            MaxSteps = steps,
            BatchSize = batch,
            MicroBatchSize = micro,
            Optimizer = new AdamWOptions { LearningRate = 6e-4, WarmupSteps = steps / 3, Beta2 = 0.95 },
            Evaluation = new() { ValidationFraction = 0, Interval = 0, ReturnBest = false },
            Run = new()
            {
                Precision = GptPrecision.BFloat16,
                AllowTf32 = device.IsCuda,
                LogInterval = Math.Max(1, steps / 6),   // each report waits for the device, as the peer's timing does
                Device = device,
                PeakFlops = 0,
                Progress = p =>
                {
                    speeds.Add(p.TokensPerSecond);
                    Console.Error.WriteLine($"ours {p}");
                },
            },
        });
        using GptLanguageModelTransformer model = trainer.Fit(ml.Data.LoadFromEnumerable([new Document(document)]));
        double[] kept = [.. speeds.Skip(speeds.Count / 3).Order()];
        return kept[kept.Length / 2];
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed record Document(string Text);
}
