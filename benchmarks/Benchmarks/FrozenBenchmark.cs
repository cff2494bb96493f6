using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;

namespace MLNet.Gpt.Benchmarks;

/// <summary>
/// Time of the fastest update and peak memory of a classifier's training: all weights, a LoRA adapter, the head and the new tokens over frozen weights, and the head alone. Each in a process of its own, without dropout and
/// auxiliary loss, so that all four compute the same forward pass.
/// </summary>
internal static class FrozenBenchmark
{
    private static readonly string[] Sides = ["all", "adapter", "tokens", "head"];

    public static int Run(BenchmarkArguments arguments)
    {
        int layers = arguments.Int("--layers", 6), width = arguments.Int("--width", 384), length = arguments.Int("--length", 128), batch = arguments.Int("--batch", 16), updates = arguments.Int("--updates", 20);
        string side = arguments.Text("--side", "");
        arguments.RefuseOthers();
        var shape = new GptConfig { VocabularySize = 32_000, ContextLength = length, EmbeddingSize = width, LayerCount = layers, HeadCount = Math.Max(1, width / 64) };
        if (side.Length > 0) return Train(side, shape, batch, updates);

        Console.WriteLine(Invariant($"frozen: {layers} layers of {width}, {shape.ParameterCount:N0} parameters, {batch} texts of {length} tokens an update, {updates} updates, float32"));
        Console.WriteLine("\ntrained                        fastest update, s   training takes, MiB   peak of the process, MiB");
        Measured[] found = [.. Sides.Select(one => Child(one, ["--layers", Text(layers), "--width", Text(width), "--length", Text(length), "--batch", Text(batch), "--updates", Text(updates)]))];
        foreach ((string name, Measured m) in new[] { "all weights", "LoRA of rank 8, and the head", "head and new tokens", "head" }.Zip(found))
            Console.WriteLine(Invariant($"{name,-31}{m.Seconds,17:F3}{m.Megabytes,22:N0}{m.Peak,27:N0}"));
        Console.WriteLine();
        Console.WriteLine(Invariant($"frozen ours={found[3].Seconds:F4} peer={found[0].Seconds:F4} ratio={found[0].Seconds / found[3].Seconds:F2} tokens_ratio={found[0].Seconds / found[2].Seconds:F2} adapter_ratio={found[0].Seconds / found[1].Seconds:F2} ours_mb={found[3].Megabytes:F0} tokens_mb={found[2].Megabytes:F0} adapter_mb={found[1].Megabytes:F0} peer_mb={found[0].Megabytes:F0} unit=s"));
        return 0;
    }

    private static int Train(string side, GptConfig shape, int batch, int updates)
    {
        var ml = new MLContext(seed: 1);
        GptTokenizer letters = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz "]);
        using var fresh = new GptNetwork(shape, GptDevice.Cpu, seed: 1);
        using var pretrained = new GptModel(new TorchCausalModel(GptNetwork.FromWeights(fresh, GptDevice.Cpu, GptPrecision.Float32, trainable: false)), letters);
        fresh.Dispose();
        var random = new Random(1);
        IDataView rows = ml.Data.LoadFromEnumerable(Enumerable.Range(0, batch * updates).Select(i => new Row { Text = string.Concat(Enumerable.Range(0, shape.ContextLength - 2).Select(_ => (char)('a' + random.Next(26)))), Label = i % 2 == 0 ? "a" : "b" }));
        rows = ml.Transforms.Conversion.MapValueToKey("Key", "Label").Fit(rows).Transform(rows);
        var seconds = new List<double>();
        var clock = Stopwatch.StartNew();
        var options = new SupervisedTaskOptions
        {
            Pretrained = pretrained, Epochs = 1, BatchSize = batch, AuxiliaryLossWeight = 0, Lora = side == "adapter" ? new() { Rank = 8, Projections = LoraProjections.All } : null,
            Freeze = side switch { "tokens" => FrozenWeights.Pretrained, "head" => FrozenWeights.AllButHead, "all" or "adapter" => FrozenWeights.None, _ => throw new ArgumentException($"--side is '{side}'; it is for the benchmark's own child processes: {string.Join(", ", Sides)}.") },
            Run = new()
            {
                Device = GptDevice.Cpu, Precision = GptPrecision.Float32, Dropout = DropoutOptions.None, LogInterval = 1, PeakFlops = 0, Seed = 1,
                Progress = _ =>
                {
                    seconds.Add(clock.Elapsed.TotalSeconds);
                    clock.Restart();
                },
            },
        };
        CHeap.ReturnFree();
        AvailableMemory.TryResetPeak();
        long before = Environment.WorkingSet;
        ml.Gpt().Trainers.TextClassification("Key", "Text", options).Fit(rows).Dispose();
        double peak = AvailableMemory.PeakBytes() / 1048576.0;
        Console.WriteLine(Invariant($"{seconds.Min()} {peak - (before / 1048576.0)} {peak}"));   // what other work on the machine delays least
        return 0;
    }

    private static Measured Child(string side, string[] setting)
    {
        double[] numbers = [.. ThisProgram.LastLine(["frozen", "--side", side, .. setting]).Split(' ').Select(static number => double.Parse(number, CultureInfo.InvariantCulture))];
        return new(numbers[0], numbers[1], numbers[2]);
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed record Measured(double Seconds, double Megabytes, double Peak);

    private sealed class Row
    {
        public string Text { get; set; } = "";

        public string Label { get; set; } = "";
    }
}
