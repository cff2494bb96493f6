using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Microsoft.ML;

namespace MLNet.Gpt.Benchmarks;

/// <summary>
/// mlContext.Model.Save and Load of a pipeline with a GPT-2 124M, and FromOnnx of its package with the weights in the graph's file and beside it, each load in a process of its own: seconds, and peak memory
/// against the size of what is loaded. The peer is reading the file once, from the page cache and from the disk.
/// </summary>
internal static class SaveLoadBenchmark
{
    /// <summary>The argument of a process that loads.</summary>
    public const string ChildName = "--load-child";

    public static int Run(BenchmarkArguments arguments)
    {
        int rounds = arguments.Int("--rounds", 3), layers = arguments.Int("--layers", 12);
        arguments.RefuseOthers();
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-save-").FullName;
        try
        {
            return Run(GptConfig.Gpt2Small with { LayerCount = layers }, rounds, folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Loads, and prints seconds and the most memory that was resident.</summary>
    public static int RunChild(string kind, string path)
    {
        long before = Peak();
        var clock = Stopwatch.StartNew();
        switch (kind)
        {
            case "zip":
                new MLContext().Model.Load(path, out _);
                break;
            case "package":
                GptModel.FromOnnx(path, GptDevice.Cpu);
                break;
            default:
                Read(path);
                break;
        }

        Console.WriteLine(JsonSerializer.Serialize(new { seconds = clock.Elapsed.TotalSeconds, peak = Peak(), before }));
        return 0;
    }

    private static int Run(GptConfig config, int rounds, string folder)
    {
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["the quick brown fox jumps over the lazy dog"], new BytePairTrainingOptions { VocabularySize = 260 });
        var weights = new RandomWeights(config);
        string inside = Path.Combine(folder, "inside"), beside = Path.Combine(folder, "beside"), zip = Path.Combine(folder, "model.zip");
        var options = new OnnxExportOptions { TokenizerHash = tokenizer.Hash, EndOfTextId = tokenizer.EndOfTextId };
        OnnxExporter.Write(weights, inside, options with { ExternalDataThresholdBytes = OnnxExportOptions.LargestEmbeddedBytes });
        OnnxExporter.Write(weights, beside, options with { ExternalDataThresholdBytes = 0 });
        tokenizer.Save(inside);
        tokenizer.Save(beside);
        var ml = new MLContext();
        IDataView data = ml.Data.LoadFromEnumerable([new Row()]);
        double save = double.PositiveInfinity;
        using (GptModel model = GptModel.FromOnnx(beside, GptDevice.Cpu))
        {
            ITransformer pipeline = ml.Gpt().Transforms.ScoreText("Score", "Text", model).Fit(data);
            for (int round = 0; round < rounds; round++)
            {
                File.Delete(zip);
                var clock = Stopwatch.StartNew();
                ml.Model.Save(pipeline, data.Schema, zip);
                save = Math.Min(save, clock.Elapsed.TotalSeconds);
            }
        }

        double size = new FileInfo(zip).Length;
        Console.WriteLine(Invariant($"save-load: {size / 1e6:F0} MB, the least seconds and the most memory of {rounds}"));
        Console.WriteLine(Invariant($"Save                            {save,8:F2} s   {size / save / 1e6,8:F0} MB/s"));
        (double read, _) = Child("read the zip", "read", zip);
        (double load, double loadPeak) = Child("Load", "zip", zip);
        (double diskRead, double diskLoad) = (double.NaN, double.NaN);
        if (OperatingSystem.IsLinux())
        {
            (diskRead, _) = Child("read the zip from the disk", "read", zip, PageCache.Forget);
            (diskLoad, _) = Child("Load from the disk", "zip", zip, PageCache.Forget);
        }

        (double within, double withinPeak) = Child("FromOnnx, weights in the graph", "package", inside);
        (double external, double externalPeak) = Child("FromOnnx, weights beside it", "package", beside);
        Console.WriteLine(Invariant($"save-load save_mb_per_second={size / save / 1e6:F0} load={load:F2} read={read:F2} ratio={load / read:F2} disk_load={diskLoad:F2} disk_read={diskRead:F2} disk_ratio={diskLoad / diskRead:F2} load_peak={loadPeak:F2} from_onnx={within:F2} from_onnx_peak={withinPeak:F2} from_onnx_beside={external:F2} from_onnx_beside_peak={externalPeak:F2} unit=seconds"));
        return 0;

        (double Seconds, double Peak) Child(string name, string kind, string path, Action<string>? before = null)
        {
            double seconds = double.PositiveInfinity, peak = 0;
            for (int round = 0; round < rounds; round++)
            {
                before?.Invoke(path);
                JsonElement result = JsonDocument.Parse(ThisProgram.LastLine(ChildName, kind, path)).RootElement;
                seconds = Math.Min(seconds, result.GetProperty("seconds").GetDouble());
                peak = Math.Max(peak, (result.GetProperty("peak").GetDouble() - result.GetProperty("before").GetDouble()) / size);
            }

            Console.WriteLine(Invariant($"{name,-32}{seconds,8:F2} s   peak memory {peak:F2} times the size"));
            return (seconds, peak);
        }
    }

    private static void Read(string path)
    {
        byte[] buffer = new byte[1 << 20];
        using FileStream file = File.OpenRead(path);
        while (file.Read(buffer) > 0)
        {
        }
    }

    private static long Peak() => 1024 * long.Parse(File.ReadLines("/proc/self/status").First(static line => line.StartsWith("VmHWM", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed class Row
    {
        public string Text { get; set; } = "";
    }
}
