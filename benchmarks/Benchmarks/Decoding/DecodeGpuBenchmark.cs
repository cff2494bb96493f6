using System.Globalization;
using System.Text.Json;

namespace MLNet.Gpt.Benchmarks;

/// <summary>
/// Greedy decoding and prefill of GPT-2 124M's shape with random weights on a CUDA GPU, by ONNX Runtime: float32, float16, bfloat16, int8 and int4, batch 1, 4 and 16, depth 16 and 512, beside PyTorch eager with a preallocated
/// cache in the first three. Ours copies the logits to the CPU with each step, the peer waits for the GPU; they take turns, and of each round the median step counts, and of the rounds the median.
/// </summary>
internal static class DecodeGpuBenchmark
{
    private static readonly (WeightFormat Format, string? PeerType)[] Formats =
        [(WeightFormat.Float32, "float32"), (WeightFormat.Float16, "float16"), (WeightFormat.BFloat16, "bfloat16"), (WeightFormat.Int8, null), (WeightFormat.Int4, null)];

    public static int Run(BenchmarkArguments arguments)
    {
        bool cpu = arguments.Text("--device", "cuda") switch
        {
            "cuda" => false,
            "cpu" => true,
            string other => throw new ArgumentException($"--device is '{other}'; it can be cuda or cpu."),
        };
        bool tiny = arguments.Has("--tiny"), peers = !arguments.Has("--ours-only");
        int rounds = arguments.Int("--rounds", tiny ? 1 : 3), steps = arguments.Int("--steps", tiny ? 4 : 64);
        arguments.RefuseOthers();
        GptConfig config = tiny ? GptConfig.Gpt2Small with { LayerCount = 2 } : GptConfig.Gpt2Small;
        (int Rows, int Depth)[] cells = tiny ? [(1, 16), (4, 64)] : [(1, 16), (1, 512), (4, 16), (4, 512), (16, 16), (16, 512)];
        int prefill = tiny ? 64 : 512;
        string[] names = [.. cells.Select(static cell => $"{cell.Rows} x {cell.Depth}"), $"prefill {prefill}"];
        Console.WriteLine(Invariant($"decode-gpu: {config.ParameterCount:N0} parameters on {(cpu ? "cpu" : "cuda")}, {rounds} rounds of {steps} steps"));

        var weights = new RandomWeights(config);
        var speeds = new Dictionary<(WeightFormat Format, bool IsPeer, string Cell), List<double>>();
        double bandwidth = 0;
        string gpu = "cpu";
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-decode-").FullName;
        try
        {
            // The CPU has no operators for bfloat16.
            foreach ((WeightFormat format, string? type) in Formats.Where(format => !cpu || format.Format != WeightFormat.BFloat16))
            {
                string package = Path.Combine(folder, format.ToString());
                OnnxExporter.Write(weights, package, new() { Weights = format });
                for (int round = 0; round < rounds; round++)
                {
                    Measure(format, package, cpu ? GptDevice.Cpu : GptDevice.Cuda());
                    if (!peers || type is null) continue;
                    JsonElement peer = Peer.Run("decode.py", ("--layers", config.LayerCount), ("--steps", steps), ("--prefill", prefill), ("--device", cpu ? "cpu" : "cuda"), ("--dtype", type),
                        ("--cells", string.Join(',', cells.Select(static cell => $"{cell.Rows}x{cell.Depth}"))));
                    foreach (JsonProperty cell in peer.GetProperty("tokens_per_second").EnumerateObject()) Add(format, isPeer: true, cell.Name, cell.Value.GetDouble());
                    bandwidth = Math.Max(bandwidth, peer.GetProperty("read_bandwidth").GetDouble());
                    if (peer.TryGetProperty("gpu", out JsonElement name)) gpu = name.GetString()!;
                }

                Directory.Delete(package, recursive: true);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        WeightFormat[] measured = [.. speeds.Keys.Select(static key => key.Format).Distinct()];
        Console.WriteLine(Invariant($"{gpu}, read bandwidth {bandwidth / 1e9:F0} GB/s"));
        Console.WriteLine($"{"tokens/s",-14}{string.Join("", measured.Select(static format => $"{format,12}{"PyTorch",12}"))}");
        double least = double.PositiveInfinity;
        foreach (string cell in names)
        {
            Console.Write($"{cell,-14}");
            foreach (WeightFormat format in measured)
            {
                double ours = Median(format, isPeer: false, cell), peer = Median(format, isPeer: true, cell);
                Console.Write(Invariant($"{ours,12:F1}{(double.IsNaN(peer) ? "-" : Invariant($"{peer:F1}")),12}"));
                if (!double.IsNaN(peer)) least = Math.Min(least, ours / peer);
            }

            Console.WriteLine();
        }

        double one = Median(WeightFormat.Float32, isPeer: false, names[0]);
        double limit = bandwidth / ((config.ParameterCount - ((long)config.ContextLength * config.EmbeddingSize)) * sizeof(float));
        Console.WriteLine(Invariant($"decode-gpu ours={one:F1} torch={Median(WeightFormat.Float32, isPeer: true, names[0]):F1} of_limit={one / limit:F3} ratio_min={(double.IsFinite(least) ? least : double.NaN):F3} ratio_float16={Median(WeightFormat.Float16, isPeer: false, names[0]) / one:F2} ratio_bfloat16={Median(WeightFormat.BFloat16, isPeer: false, names[0]) / one:F2} ratio_int8={Median(WeightFormat.Int8, isPeer: false, names[0]) / one:F2} ratio_int4={Median(WeightFormat.Int4, isPeer: false, names[0]) / one:F2} unit=tokens/s"));
        return 0;

        void Measure(WeightFormat format, string package, GptDevice device)
        {
            using var engine = new OwnEngine(package, device);
            engine.Decode(1, 16, 2); // the first calls choose kernels and fill the arena
            engine.Prefill(prefill);
            for (int i = 0; i < cells.Length; i++) Add(format, isPeer: false, names[i], cells[i].Rows / (engine.Decode(cells[i].Rows, cells[i].Depth, steps) / steps));
            Add(format, isPeer: false, names[^1], prefill / engine.Prefill(prefill));
        }

        void Add(WeightFormat format, bool isPeer, string cell, double speed)
        {
            if (!speeds.TryGetValue((format, isPeer, cell), out List<double>? list)) speeds.Add((format, isPeer, cell), list = []);
            list.Add(speed);
        }

        double Median(WeightFormat format, bool isPeer, string cell) =>
            speeds.TryGetValue((format, isPeer, cell), out List<double>? list) ? list.Order().ElementAt(list.Count / 2) : double.NaN;
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
