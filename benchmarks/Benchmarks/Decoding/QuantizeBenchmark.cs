using System.Globalization;
using Microsoft.ML;

namespace MLNet.Gpt.Benchmarks;

/// <summary>
/// What fewer bits cost: a GPT of 4 layers of 256 trained on tinyshakespeare with a byte pair vocabulary, its perplexity on the text's last tenth in each form, beside llama.cpp's of the same weights, and the
/// sizes of the files. Perplexity can fall by chance; how far the tokens' log-probabilities move from float32's (root mean square, nats) can't. Each window of the context is scored by itself, after the end-of-text token.
/// </summary>
internal static class QuantizeBenchmark
{
    public static int Run(BenchmarkArguments arguments)
    {
        bool quick = arguments.Has("--quick");
        int steps = arguments.Int("--steps", quick ? 40 : 500), windows = arguments.Int("--windows", quick ? 8 : 150);
        arguments.RefuseOthers();
        string text = File.ReadAllText(Path.Combine(Environment.GetEnvironmentVariable("MLNET_GPT_TESTDATA") ?? throw new InvalidOperationException("MLNET_GPT_TESTDATA must name the folder of tinyshakespeare.txt."), "tinyshakespeare.txt"));
        int cut = text.Length / 10 * 9;
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-quantize-").FullName;
        try
        {
            return Run(text[..cut], text[cut..], steps, windows, folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static int Run(string training, string heldOut, int steps, int windows, string folder)
    {
        // 1. A trained model.
        var ml = new MLContext(seed: 1);
        using GptLanguageModelTransformer trained = ml.Gpt().Trainers.LanguageModel("Text", new LanguageModelOptions
        {
            Model = new GptConfig { VocabularySize = 1_024, ContextLength = 128, EmbeddingSize = 256, LayerCount = 4, HeadCount = 4 },
            MaxSteps = steps,
            BatchSize = 16,
            Optimizer = new() { LearningRate = 1e-3, WarmupSteps = Math.Min(50, steps / 4) },
            Evaluation = new() { Interval = Math.Max(1, steps / 2), MaxRows = 32 },
            Run = new() { LogInterval = Math.Max(1, steps / 10), Progress = static progress => Console.Error.WriteLine(progress) },
        }).Fit(ml.Data.LoadFromEnumerable(training.Split("\n\n").Select(static part => new Row { Text = part + "\n\n" })));
        GptTokenizer tokenizer = trained.Model.Tokenizer;
        int length = trained.Model.Config.ContextLength - 1;
        int[][] texts = [.. tokenizer.Encode(heldOut).Chunk(length).Where(chunk => chunk.Length == length).Take(windows)];
        trained.Model.SaveCheckpoint(Path.Combine(folder, "checkpoint"));
        Console.WriteLine(Invariant($"quantize: {trained.Model.Config.ParameterCount:N0} parameters, {steps} steps, {texts.Length} windows of {length} tokens"));

        // 2. Its perplexity in each form.
        double exact = 0;
        double[] exactScores = [];
        Dictionary<string, double> costs = [];
        Console.WriteLine($"{"",-50}{"perplexity",12}{"cost",10}{"moved",10}{"MB",9}");
        foreach ((string name, OnnxExportOptions options) in ((string, OnnxExportOptions)[])
        [
            ("float32", new()), ("float16", new() { Weights = WeightFormat.Float16 }),
            ("int8", new() { Weights = WeightFormat.Int8 }), ("int8, rounded to nearest", Of(WeightFormat.Int8, new() { Method = QuantizationMethod.RoundToNearest })),
            ("int8, block 32", Of(WeightFormat.Int8, new() { BlockSize = 32 })), ("int8, block 64", Of(WeightFormat.Int8, new() { BlockSize = 64 })), ("int8, zero points", Of(WeightFormat.Int8, new() { Symmetric = false })),
            ("int4", new() { Weights = WeightFormat.Int4 }), ("int4, rounded to nearest", Of(WeightFormat.Int4, new() { Method = QuantizationMethod.RoundToNearest })),
            ("int4, float32 products", Of(WeightFormat.Int4, new() { AccuracyLevel = 1 })), ("int4, zero points", Of(WeightFormat.Int4, new() { Symmetric = false })),
            ("int4, zero points, rounded to nearest", Of(WeightFormat.Int4, new() { Symmetric = false, Method = QuantizationMethod.RoundToNearest })),
            ("int4, embedding and head in 8 bits", Of(WeightFormat.Int4, new() { EmbeddingBits = 8 })), ("int4, block 32", Of(WeightFormat.Int4, new() { BlockSize = 32 })), ("int4, block 128", Of(WeightFormat.Int4, new() { BlockSize = 128 })),
        ])
        {
            string package = Path.Combine(folder, "package");
            OnnxExporter.Export(Path.Combine(folder, "checkpoint"), package, options);
            using (GptModel model = GptModel.FromOnnx(package, GptDevice.Cpu))
            {
                double[] scores = [.. SequenceScorer.Score(model.Engine, texts, tokenizer.EndOfTextId).SelectMany(static score => score.TokenLogProbabilities).Select(static value => (double)value)];
                double perplexity = PerplexityOf(scores);
                if (exact == 0) (exact, exactScores) = (perplexity, scores);
                Line("ONNX Runtime " + name, perplexity, scores, new FileInfo(Path.Combine(package, "model.onnx")).Length);
                costs[name] = (perplexity / exact) - 1;
            }
        }

        foreach (GgufFormat format in Enum.GetValues<GgufFormat>())
        {
            string file = Path.Combine(folder, "model.gguf");
            GgufExporter.Export(Path.Combine(folder, "checkpoint"), file, format);
            using var llama = new LlamaEngine(file);
            double[] scores = [.. texts.SelectMany(ids => llama.Score([tokenizer.EndOfTextId, .. ids]))];
            double perplexity = PerplexityOf(scores);
            Line($"llama.cpp {format}", perplexity, scores, new FileInfo(file).Length);
            costs["llama " + format] = (perplexity / exact) - 1;
        }

        bool held = costs["float16"] <= 0.001 && costs["int8"] <= 0.005 && costs["int4"] <= 0.03;
        Console.WriteLine(Invariant($"quantize int8_cost={costs["int8"]:F5} int4_cost={costs["int4"]:F5} float16_cost={costs["float16"]:F6} llama_q8_0_cost={costs["llama Q8_0"]:F5} llama_q4_0_cost={costs["llama Q4_0"]:F5} perplexity={exact:F3} unit=relative"));
        return held ? 0 : 1;

        void Line(string name, double perplexity, double[] scores, long bytes) => Console.WriteLine(Invariant(
            $"{name,-50}{perplexity,12:F4}{(perplexity / exact) - 1,10:P2}{Math.Sqrt(scores.Zip(exactScores, static (a, b) => (a - b) * (a - b)).Average()),10:F4}{bytes / 1e6,9:F2}"));

        static OnnxExportOptions Of(WeightFormat format, QuantizationOptions quantization) => new() { Weights = format, Quantization = quantization };
    }

    private static double PerplexityOf(IEnumerable<double> logProbabilities) => Math.Exp(-logProbabilities.Average());

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed class Row
    {
        public string Text { get; set; } = "";
    }
}
