using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using QuickStart;

namespace MLNet.Gpt.Benchmarks;

/// <summary>
/// A column of 1,000 texts of unequal length through GenerateText, ScoreText, EmbedText and ClassifyText on ONNX Runtime: in batches, and one by one; the classifier's package beside it through ML.NET's
/// own ApplyOnnxModel. All take turns, and the medians count. Then the managed memory that one more generated token takes.
/// </summary>
internal static class BatchRowsBenchmark
{
    public static int Run(BenchmarkArguments arguments)
    {
        bool quick = arguments.Has("--quick");
        int rows = arguments.Int("--rows", quick ? 60 : 1_000), layers = arguments.Int("--layers", 6), width = arguments.Int("--width", 384);
        string format = arguments.Text("--weights", "Float32"), only = arguments.Text("--only", "");
        int tokens = arguments.Int("--classify-tokens", LengthBatches.DefaultTokens(GptDevice.Cpu)), rounds = arguments.Int("--rounds", quick ? 1 : 3);
        arguments.RefuseOthers();
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-rows-").FullName;
        try
        {
            return Run(rows, layers, width, Enum.Parse<WeightFormat>(format), only, tokens, rounds, folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static int Run(int rows, int layers, int width, WeightFormat format, string only, int classifyTokens, int rounds, string folder)
    {
        // 1. Summaries of .NET's members, as they come; a model of random weights, since speed does not depend on what was learned.
        string[] texts = [.. SdkDocumentation.ReadSummaries(SdkDocumentation.FindFolder()).Where(static text => text.Length is > 10 and < 600).Take(rows * 7).Where(static (_, i) => i % 7 == 0)];
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(texts, new BytePairTrainingOptions { VocabularySize = 4_096 });
        var config = new GptConfig { VocabularySize = tokenizer.VocabularySize, ContextLength = 256, EmbeddingSize = width, LayerCount = layers, HeadCount = width / 64 };
        var options = new OnnxExportOptions { Weights = format, TokenizerHash = tokenizer.Hash, EndOfTextId = tokenizer.EndOfTextId };
        OnnxExporter.Write(new RandomWeights(config), Path.Combine(folder, "model"), options);
        OnnxExporter.WriteClassifier(new RandomClassifier(config, new ClassifierHead { Task = SupervisedTask.TextClassification, Labels = ["a", "b", "c", "d"] }), Path.Combine(folder, "classifier"), options);
        tokenizer.Save(Path.Combine(folder, "model"));
        tokenizer.Save(Path.Combine(folder, "classifier"));
        using GptModel model = GptModel.FromOnnx(Path.Combine(folder, "model"), GptDevice.Cpu);
        using GptClassifier classifier = GptClassifier.FromOnnx(Path.Combine(folder, "classifier"), GptDevice.Cpu);
        Console.WriteLine(Invariant($"batch-rows: {texts.Length} rows, {texts.Average(text => tokenizer.Encode(text).Length):F1} tokens on average, {config.ParameterCount:N0} parameters, {format}"));

        // 2. Each transform in batches and one by one.
        var ml = new MLContext();
        IDataView data = ml.Data.LoadFromEnumerable(texts.Select(static text => new Row { Text = text })), sequences = Sequences(ml, classifier, texts);
        double least = double.PositiveInfinity;
        var ratios = new List<string>();
        Console.WriteLine($"{"rows/s",-16}{"one by one",12}{"in batches",12}{"ratio",8}{"ApplyOnnxModel",16}{"ratio",8}");
        Compare("GenerateText", "generate", batch => ml.Gpt().Transforms.GenerateText("Out", "Text", model, new() { BatchSize = batch ? 64 : 1, MaxNewTokens = 24, Temperature = 0, StopAtEndOfText = false }).Fit(data));
        Compare("ScoreText", "score", batch => ml.Gpt().Transforms.ScoreText("Out", "Text", model, new() { BatchSize = batch ? 16 : 1 }).Fit(data));
        Compare("EmbedText", "embed", batch => ml.Gpt().Transforms.EmbedText("Out", "Text", model, new() { BatchSize = batch ? 16 : 1 }).Fit(data));
        Compare("ClassifyText", "classify", batch => ml.Gpt().Transforms.ClassifyText("Score", "Text", classifier, batch ? new() { MaxBatchTokens = classifyTokens } : new() { BatchSize = 1 }).Fit(data),
            () => ml.Transforms.ApplyOnnxModel([OnnxPackageLayout.Logits], [OnnxPackageLayout.InputIds, OnnxPackageLayout.AttentionMask], Path.Combine(folder, "classifier", OnnxPackageLayout.ModelFile),
                Shapes(sequences), gpuDeviceId: null, fallbackToCpu: false, recursionLimit: 100).Fit(sequences));

        // 3. What a token takes of the managed heap: what 64 of them take beyond 32.
        if (only.Length == 0)
        {
            foreach (int batch in (ReadOnlySpan<int>)[1, 64])
            {
                double bytes = (Allocated(batch, 64) - Allocated(batch, 32)) / (32.0 * batch);
                Console.WriteLine(Invariant($"GenerateText, {batch} rows at once: {bytes:N0} bytes of managed memory a token"));
                ratios.Add(Invariant($"bytes_per_token_{batch}={bytes:F0}"));
            }
        }

        Console.WriteLine(Invariant($"batch-rows {string.Join(' ', ratios)} ratio_min={least:F2} unit=ratio"));
        return 0;

        void Compare(string name, string key, Func<bool, ITransformer> make, Func<ITransformer>? peer = null)
        {
            if (only.Length > 0 && only != key) return;
            ITransformer alone = make(false), together = make(true);
            ITransformer? theirs = peer?.Invoke();
            Warm(alone, data);
            Warm(together, data);
            if (theirs is not null) Warm(theirs, sequences);
            List<double> aloneSpeeds = [], speeds = [], theirSpeeds = [];
            for (int round = 0; round < rounds; round++)
            {
                aloneSpeeds.Add(Speed(alone, data));
                speeds.Add(Speed(together, data));
                if (theirs is not null) theirSpeeds.Add(Speed(theirs, sequences));
            }

            double one = Median(aloneSpeeds), ours = Median(speeds);
            least = Math.Min(least, ours / one);
            ratios.Add(Invariant($"{key}={ours:F1} {key}_ratio={ours / one:F2}"));
            Console.Write(Invariant($"{name,-16}{one,12:F1}{ours,12:F1}{ours / one,8:F2}"));
            if (theirs is not null)
            {
                ratios.Add(Invariant($"peer={Median(theirSpeeds):F1} {key}_peer_ratio={ours / Median(theirSpeeds):F2}"));
                Console.Write(Invariant($"{Median(theirSpeeds),16:F1}{ours / Median(theirSpeeds),8:F2}"));
                (theirs as IDisposable)?.Dispose();
            }

            Console.WriteLine();
        }

        void Warm(ITransformer transformer, IDataView input) => Read(transformer, ml.Data.TakeRows(input, Math.Min(40, texts.Length)));

        double Speed(ITransformer transformer, IDataView input)
        {
            var clock = Stopwatch.StartNew();
            Read(transformer, input);
            return texts.Length / clock.Elapsed.TotalSeconds;
        }

        double Allocated(int batch, int newTokens)
        {
            var generation = new GenerateTextOptions { BatchSize = batch, MaxNewTokens = newTokens, Temperature = 0, StopAtEndOfText = false };
            string[] prompts = [.. Enumerable.Repeat("the", batch)];
            model.Generate(prompts, generation);
            long before = GC.GetTotalAllocatedBytes(precise: true);
            model.Generate(prompts, generation);
            return GC.GetTotalAllocatedBytes(precise: true) - before;
        }
    }

    /// <summary>The classifier's token sequences, for ML.NET's own transformer: it takes vectors of one length, so that all rows are padded to the longest.</summary>
    private static IDataView Sequences(MLContext ml, GptClassifier classifier, string[] texts)
    {
        int[][] ids = [.. texts.Select(text => TaskSequences.Build(classifier.Head, classifier.Config, [classifier.Tokenizer.Encode(text, classifier.Head.SpecialTokens)], out _)[0])];
        int longest = ids.Max(static row => row.Length);
        SequenceRow[] rows = [.. ids.Select(row => new SequenceRow
        {
            Ids = [.. row.Select(static id => (long)id), .. new long[longest - row.Length]],
            Mask = [.. Enumerable.Repeat(1L, row.Length), .. new long[longest - row.Length]],
        })];
        SchemaDefinition schema = SchemaDefinition.Create(typeof(SequenceRow));
        foreach (SchemaDefinition.Column column in schema) column.ColumnType = new VectorDataViewType(NumberDataViewType.Int64, longest);
        return ml.Data.LoadFromEnumerable(rows, schema);
    }

    private static Dictionary<string, int[]> Shapes(IDataView sequences) =>
        sequences.Schema.ToDictionary(static column => column.Name, static column => (int[])[1, ((VectorDataViewType)column.Type).Size]);

    private static void Read(ITransformer transformer, IDataView input)
    {
        IDataView view = transformer.Transform(input);
        DataViewSchema.Column column = view.Schema.First(static column => column.Name is "Out" or "Score" or OnnxPackageLayout.Logits);
        using DataViewRowCursor cursor = view.GetRowCursor([column]);
        Action read = column.Type.RawType == typeof(ReadOnlyMemory<char>) ? Getter<ReadOnlyMemory<char>>() : column.Type.RawType == typeof(float) ? Getter<float>() : Getter<VBuffer<float>>();
        while (cursor.MoveNext()) read();

        Action Getter<T>()
        {
            ValueGetter<T> get = cursor.GetGetter<T>(column);
            T value = default!;
            return () => get(ref value);
        }
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed class Row
    {
        public string Text { get; set; } = "";
    }

    private sealed class SequenceRow
    {
        [ColumnName(OnnxPackageLayout.InputIds)]
        public long[] Ids { get; set; } = [];

        [ColumnName(OnnxPackageLayout.AttentionMask)]
        public long[] Mask { get; set; } = [];
    }
}
