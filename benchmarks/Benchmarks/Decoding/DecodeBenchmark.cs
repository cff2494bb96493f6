using System.Globalization;
using System.Text.Json;

namespace MLNet.Gpt.Benchmarks;

/// <summary>
/// Greedy decoding and prefill of GPT-2 124M's shape with random weights: float32, int8 and int4, batch 1, 4 and 16, depth 16 and 512, beside onnxruntime-genai on the same packages, llama.cpp on
/// GGUF files of the same weights (f32, q8_0, q4_0) and PyTorch eager with a preallocated cache. All take turns, each in a process of its own; of each round the median step counts, and of the rounds the median.
/// </summary>
internal static class DecodeBenchmark
{
    private static readonly (string Name, OnnxExportOptions Options, GgufFormat Gguf)[] Formats =
    [
        ("float32", new(), GgufFormat.Float32),
        ("int8", new() { Weights = WeightFormat.Int8 }, GgufFormat.Q8_0),
        ("int4", new() { Weights = WeightFormat.Int4 }, GgufFormat.Q4_0),
    ];

    public static int Run(BenchmarkArguments arguments)
    {
        bool quick = arguments.Has("--quick");
        int rounds = arguments.Int("--rounds", quick ? 1 : 3), steps = arguments.Int("--steps", quick ? 8 : 24);
        bool peers = !arguments.Has("--ours-only"), torch = !arguments.Has("--no-torch");
        string only = arguments.Text("--only", "");
        arguments.RefuseOthers();
        string[] names = [.. Formats.Select(static format => format.Name)];
        if (only.Length > 0 && !names.Contains(only)) throw new ArgumentException($"--only is '{only}'; it can be {string.Join(", ", names)}.");
        GptConfig config = quick ? GptConfig.Gpt2Small with { LayerCount = 2 } : GptConfig.Gpt2Small;
        (int Rows, int Depth)[] cells = quick ? [(1, 16), (4, 64)] : [(1, 16), (1, 512), (4, 16), (4, 512), (16, 16), (16, 512)];
        int prefill = quick ? 64 : 512;
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-decode-").FullName;
        try
        {
            return Run(config, cells, prefill, rounds, steps, folder, peers, torch, only);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static int Run(GptConfig config, (int Rows, int Depth)[] cells, int prefill, int rounds, int steps, string folder, bool peers, bool torch, string only)
    {
        double bandwidth = ReadBandwidth.Measure(), weightBytes = (config.ParameterCount - ((long)config.ContextLength * config.EmbeddingSize)) * sizeof(float);
        Console.WriteLine(Invariant($"decode: {config.ParameterCount:N0} parameters, {rounds} rounds of {steps} steps; read bandwidth {bandwidth / 1e9:F1} GB/s, so that float32 decodes at most {bandwidth / weightBytes:F1} tokens/s in one row"));
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["the quick brown fox jumps over the lazy dog"], new BytePairTrainingOptions { VocabularySize = 260 });
        var weights = new RandomWeights(config);
        var results = new Dictionary<(string Format, string Engine, string Cell), double>();
        bool same = true;
        foreach ((string name, OnnxExportOptions options, GgufFormat gguf) in Formats.Where(format => only.Length == 0 || format.Name == only))
        {
            string package = Path.Combine(folder, name), file = Path.Combine(folder, name + ".gguf");
            OnnxExporter.Write(weights, package, options with { EndOfTextId = tokenizer.EndOfTextId });
            GenAiConfigFolder(package, tokenizer);
            var engines = new Dictionary<string, IDecodingEngine> { ["ours"] = new DecodingProcess("ours", package) };
            if (peers)
            {
                GgufExporter.Write(weights, tokenizer, file, gguf);
                engines.Add("genai", new DecodingProcess("genai", package));
                engines.Add("llama", new DecodingProcess("llama", file));
            }

            if (name == "float32" && peers)
            {
                int[] prompt = IDecodingEngine.Prompt(16), expected = engines["ours"].Greedy(prompt, 64);
                same = engines.Values.All(engine => engine.Greedy(prompt, 64).SequenceEqual(expected));
                Console.WriteLine($"float32: {(same ? "all engines give" : "the engines do NOT all give")} the same 64 greedy tokens");
            }

            foreach (IDecodingEngine engine in engines.Values) engine.Decode(1, 16, steps); // a process's first turn is its slowest
            foreach ((int rows, int depth) in cells)
            {
                Measure($"{rows} x {depth}", rows * steps, engine => engine.Decode(rows, depth, steps));
                if (rows != 1 || name != "float32") continue;
                double now = ReadBandwidth.Measure();   // what bounds this cell, in its own minute
                Console.WriteLine(Invariant($"read bandwidth {now / 1e9:F1} GB/s"));
                bandwidth = Math.Max(bandwidth, now);
            }

            Measure($"prefill {prefill}", prefill, engine => engine.Prefill(prefill));
            foreach (IDecodingEngine engine in engines.Values) engine.Dispose();
            File.Delete(file);
            Directory.Delete(package, recursive: true);

            void Measure(string cell, int tokens, Func<IDecodingEngine, double> run)
            {
                var times = engines.Keys.ToDictionary(static engine => engine, static _ => new List<double>());
                for (int round = 0; round < rounds; round++)
                {
                    foreach ((string engine, IDecodingEngine one) in engines)
                    {
                        Thread.Sleep(300); // what the engine before it leaves spinning goes to sleep
                        times[engine].Add(tokens / run(one));
                    }
                }

                foreach ((string engine, List<double> speeds) in times) results[(name, engine, cell)] = Median(speeds);
                Console.WriteLine(Invariant($"{name,-8} {cell,-12} {string.Join("   ", times.Select(pair => Invariant($"{pair.Key} {Median(pair.Value),8:F1}")))}"));
            }
        }

        if (peers && torch)
        {
            JsonElement peer = Peer.Run("decode.py", ("--layers", config.LayerCount), ("--steps", steps), ("--prefill", prefill), ("--cells", string.Join(',', cells.Select(static cell => $"{cell.Rows}x{cell.Depth}"))));
            foreach (JsonProperty cell in peer.GetProperty("tokens_per_second").EnumerateObject()) results[("float32", "torch", cell.Name)] = cell.Value.GetDouble();
        }

        // The table, and the last line.
        Console.WriteLine();
        Console.WriteLine($"{"tokens/s",-14}{string.Join("", Formats.SelectMany(static format => (string[])["ours", "genai", "llama", .. format.Name == "float32" ? ["torch"] : Array.Empty<string>()], static (format, engine) => $"{format.Name + " " + engine,16}"))}");
        string[] names = [.. cells.Select(static cell => $"{cell.Rows} x {cell.Depth}"), $"prefill {prefill}"];
        double least = double.PositiveInfinity;
        foreach (string cell in names)
        {
            Console.Write($"{cell,-14}");
            foreach ((string format, _, _) in Formats)
            {
                foreach (string engine in (string[])["ours", "genai", "llama", .. format == "float32" ? ["torch"] : Array.Empty<string>()])
                    Console.Write(results.TryGetValue((format, engine, cell), out double speed) ? Invariant($"{speed,16:F1}") : $"{"-",16}");
                double best = results.Where(pair => pair.Key.Format == format && pair.Key.Cell == cell && pair.Key.Engine is "genai" or "llama").Select(static pair => pair.Value).DefaultIfEmpty(double.NaN).Max();
                if (!double.IsNaN(best) && results.ContainsKey((format, "ours", cell))) least = Math.Min(least, results[(format, "ours", cell)] / best);
            }

            Console.WriteLine();
        }

        string first = names[0];
        double ours = Of("ours"), limit = bandwidth / weightBytes;
        Console.WriteLine(Invariant($"decode ours={ours:F1} genai={Of("genai"):F1} llama={Of("llama"):F1} torch={Of("torch"):F1} of_limit={ours / limit:F3} ratio_min={(double.IsFinite(least) ? least : double.NaN):F3} ratio_int8={Of("ours", "int8") / ours:F2} ratio_int4={Of("ours", "int4") / ours:F2} same_tokens={(same ? 1 : 0)} unit=tokens/s"));
        return same ? 0 : 1;

        double Of(string engine, string format = "float32") => results.GetValueOrDefault((format, engine, first), double.NaN);
    }

    private static void GenAiConfigFolder(string package, GptTokenizer tokenizer)
    {
        tokenizer.Save(package);
        if (!File.Exists(Path.Combine(package, "genai_config.json"))) throw new InvalidOperationException("The package has no genai_config.json.");
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
