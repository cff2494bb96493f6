using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using QuickStart;

namespace MLNet.Gpt.Benchmarks;

/// <summary>A column of 1,000 texts of unequal length through GenerateText, ScoreText, EmbedText and ClassifyText on ONNX Runtime: in batches, and one by one.</summary>
internal static class BatchRowsBenchmark
{
    public static int Run(BenchmarkArguments arguments)
    {
        bool quick = arguments.Has("--quick");
        int rows = arguments.Int("--rows", quick ? 60 : 1_000), layers = arguments.Int("--layers", 6), width = arguments.Int("--width", 384);
        string format = arguments.Text("--weights", "Float32"), only = arguments.Text("--only", "");
        int tokens = arguments.Int("--classify-tokens", new ClassifyTextOptions().MaxBatchTokens);
        arguments.RefuseOthers();
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-rows-").FullName;
        try
        {
            return Run(rows, layers, width, Enum.Parse<WeightFormat>(format), only, tokens, folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static int Run(int rows, int layers, int width, WeightFormat format, string only, int classifyTokens, string folder)
    {
        // 1. Summaries of .NET's members, as they come; a model of random weights, since speed does not depend on what was learned.
        string[] texts = [.. SdkDocumentation.ReadSummaries(SdkDocumentation.FindFolder()).Where(static text => text.Length is > 10 and < 600).Take(rows * 7).Where(static (_, i) => i % 7 == 0)];
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(texts, new BytePairTrainingOptions { VocabularySize = 4_096 });
        var config = new GptConfig { VocabularySize = tokenizer.VocabularySize, ContextLength = 256, EmbeddingSize = width, LayerCount = layers, HeadCount = width / 64 };
        var options = new OnnxExportOptions { Weights = format, TokenizerHash = tokenizer.Hash, EndOfTextId = tokenizer.EndOfTextId };
        OnnxExporter.Write(new RandomWeights(config), Path.Combine(folder, "model"), options);
        OnnxExporter.WriteClassifier(new RandomClassifier(config), Path.Combine(folder, "classifier"), options);
        tokenizer.Save(Path.Combine(folder, "model"));
        tokenizer.Save(Path.Combine(folder, "classifier"));
        using GptModel model = GptModel.FromOnnx(Path.Combine(folder, "model"), GptDevice.Cpu);
        using GptClassifier classifier = GptClassifier.FromOnnx(Path.Combine(folder, "classifier"), GptDevice.Cpu);
        Console.WriteLine(Invariant($"batch-rows: {texts.Length} rows, {texts.Average(text => tokenizer.Encode(text).Length):F1} tokens on average, {config.ParameterCount:N0} parameters, {format}"));

        // 2. Each transform in batches and one by one.
        var ml = new MLContext();
        IDataView data = ml.Data.LoadFromEnumerable(texts.Select(static text => new Row { Text = text }));
        double least = double.PositiveInfinity;
        var ratios = new List<string>();
        Console.WriteLine($"{"rows/s",-16}{"one by one",12}{"in batches",12}{"ratio",8}");
        Compare("GenerateText", "generate", batch => ml.Gpt().Transforms.GenerateText("Out", "Text", model, new() { BatchSize = batch ? 32 : 1, MaxNewTokens = 24, Temperature = 0, StopAtEndOfText = false }).Fit(data));
        Compare("ScoreText", "score", batch => ml.Gpt().Transforms.ScoreText("Out", "Text", model, new() { BatchSize = batch ? 16 : 1 }).Fit(data));
        Compare("EmbedText", "embed", batch => ml.Gpt().Transforms.EmbedText("Out", "Text", model, new() { BatchSize = batch ? 16 : 1 }).Fit(data));
        Compare("ClassifyText", "classify", batch => ml.Gpt().Transforms.ClassifyText("Score", "Text", classifier, batch ? new() { MaxBatchTokens = classifyTokens } : new() { BatchSize = 1 }).Fit(data));
        Console.WriteLine(Invariant($"batch-rows {string.Join(' ', ratios)} ratio_min={least:F2} unit=ratio"));
        return 0;

        void Compare(string name, string key, Func<bool, ITransformer> make)
        {
            if (only.Length > 0 && only != key) return;
            double alone = Speed(make(false)), together = Speed(make(true));
            least = Math.Min(least, together / alone);
            ratios.Add(Invariant($"{key}={together:F1} {key}_ratio={together / alone:F2}"));
            Console.WriteLine(Invariant($"{name,-16}{alone,12:F1}{together,12:F1}{together / alone,8:F2}"));
        }

        double Speed(ITransformer transformer)
        {
            Read(transformer, ml.Data.TakeRows(data, Math.Min(40, texts.Length)));
            var clock = Stopwatch.StartNew();
            Read(transformer, data);
            return texts.Length / clock.Elapsed.TotalSeconds;
        }
    }

    private static void Read(ITransformer transformer, IDataView input)
    {
        IDataView view = transformer.Transform(input);
        DataViewSchema.Column column = view.Schema[view.Schema.Any(static column => column.Name == "Out") ? "Out" : "Score"];
        using DataViewRowCursor cursor = view.GetRowCursor([column]);
        Action read = column.Type.RawType == typeof(ReadOnlyMemory<char>) ? Getter<ReadOnlyMemory<char>>() : column.Type.RawType == typeof(float) ? Getter<float>() : Getter<Microsoft.ML.Data.VBuffer<float>>();
        while (cursor.MoveNext()) read();

        Action Getter<T>()
        {
            ValueGetter<T> get = cursor.GetGetter<T>(column);
            T value = default!;
            return () => get(ref value);
        }
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed class Row
    {
        public string Text { get; set; } = "";
    }

    private sealed class RandomClassifier(GptConfig config) : IClassifierWeights
    {
        private readonly RandomWeights _network = new(config);

        public GptConfig Config => config;

        public ClassifierHead Head { get; } = new() { Task = SupervisedTask.TextClassification, Labels = ["a", "b", "c", "d"] };

        public void Read(string name, Span<float> destination)
        {
            if (!ClassifierParameterLayout.Of(config, Head).Any(parameter => parameter.Name == name))
            {
                _network.Read(name, destination);
                return;
            }

            for (int i = 0; i < destination.Length; i++) destination[i] = 0.02f * MathF.Sin(i);
        }
    }
}
