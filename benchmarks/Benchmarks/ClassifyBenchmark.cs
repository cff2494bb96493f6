using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Classification;
using Microsoft.ML;
using Microsoft.ML.Data;
using QuickStart;

namespace MLNet.Gpt.Benchmarks;

/// <summary>
/// Namespaces of .NET members by their summaries, few labels: majority, a tuned bag-of-words regression, a GPT from scratch, and one pretrained on the unlabelled texts, fine-tuned with and
/// without the auxiliary loss and with LoRA. One pretraining; for each seed another choice of labelled texts, other new weights, another order.
/// </summary>
internal static class ClassifyBenchmark
{
    private const int TestSize = 3_000;

    public static int Run(BenchmarkArguments arguments)
    {
        bool quick = arguments.Has("--quick");
        int steps = arguments.Int("--steps", quick ? 400 : 2_000), seeds = arguments.Int("--seeds", quick ? 1 : 3), perClass = arguments.Int("--labels", 25), epochs = arguments.Int("--epochs", 15);
        arguments.RefuseOthers();
        var clock = Stopwatch.StartNew();
        var ml = new MLContext(seed: 1);
        using var folder = new Scratch();

        // 1. Texts; majority.
        IReadOnlyList<ApiText> texts = ApiTask.Read(SdkDocumentation.FindFolder());
        ApiTask first = ApiTask.Split(texts, perClass, TestSize, seed: 1);
        IDataView test = ml.Data.LoadFromEnumerable(first.Test);
        double majority = first.Test.CountBy(static text => text.Label).Max(static pair => pair.Value) / (double)TestSize;
        Console.WriteLine(Invariant($"classify: {texts.Count:N0} texts, {first.Documents.Count:N0} documents to pretrain on, {ApiTask.Classes.Length} classes of {perClass} labelled texts, {TestSize:N0} test texts, {seeds} seeds"));

        // 2. Pretraining, once: the test texts are the same for all seeds, and it sees no label.
        var shape = new GptConfig { VocabularySize = 4_096, ContextLength = 128, EmbeddingSize = 256, LayerCount = 4, HeadCount = 8 };
        using GptLanguageModelTransformer pretrained = ml.Gpt().Trainers.LanguageModel("Text", new LanguageModelOptions
        {
            Model = shape,
            MaxSteps = steps,
            BatchSize = 16,
            Optimizer = new AdamWOptions { LearningRate = 1.5e-3, WarmupSteps = Math.Min(100, steps / 4), Beta2 = 0.99 },
            ResidualInitializerScale = 1,
            Evaluation = new() { ValidationFraction = 0.02, Interval = Math.Max(1, steps / 4), MaxRows = 64 },
            Run = new() { Dropout = new() { Embedding = 0.1f, Residual = 0.1f } /* attention without dropout has a kernel of its own on a CPU */, LogInterval = Math.Max(1, steps / 40), Progress = static progress => Console.Error.WriteLine(progress) },
        }).Fit(ml.Data.LoadFromEnumerable(first.Documents.Select(static text => new Document(text))));
        shape = pretrained.Model.Config;   // the vocabulary as it came out
        TimeSpan pretraining = clock.Elapsed;
        Console.WriteLine(Invariant($"pretrained in {pretraining.TotalMinutes:F1} minutes: {shape.ParameterCount:N0} parameters, validation loss {pretrained.Training.BestValidationLoss:F3}"));

        // 3. For each seed, the baseline and the four ways to train.
        var rows = new List<Row>();
        GptClassifier? kept = null;
        for (int seed = 1; seed <= seeds; seed++)
        {
            ApiTask task = ApiTask.Split(texts, perClass, TestSize, seed);
            JsonElement bow = Peer.Run("classify.py", ("bow", null), ("--data", folder.Write("bow.json", new { train = Pairs(task.Training), test = Pairs(task.Test) })));
            var common = new SupervisedTaskOptions { Pretrained = pretrained.Model, Epochs = epochs, Optimizer = new() { LearningRate = 5e-4, WarmupFraction = 0.05 }, Run = new() { Seed = seed, LogInterval = 20 } };
            var row = new Row(bow.GetProperty("accuracy").GetDouble(),
                Train("scratch", common with { Pretrained = null, Model = shape, Tokenizer = pretrained.Model.Tokenizer, Optimizer = common.Optimizer with { LearningRate = 1e-3 } }),
                Train("fine-tuned", common, keep: seed == 1),
                Train("without auxiliary loss", common with { AuxiliaryLossWeight = 0 }),
                Train("LoRA", common with { Lora = new LoraOptions { Rank = 8, Alpha = 16, Projections = LoraProjections.All }, Optimizer = common.Optimizer with { LearningRate = 3e-3 } }));
            rows.Add(row);
            Console.WriteLine(Invariant($"seed {seed}: bag of words {row.Baseline:P1} ({bow.GetProperty("features").GetString()}, C {bow.GetProperty("c").GetDouble()}), scratch {row.Scratch.Accuracy:P1}, fine-tuned {row.Tuned.Accuracy:P1}, without auxiliary loss {row.Plain.Accuracy:P1}, LoRA {row.Lora.Accuracy:P1}"));

            Trained Train(string name, SupervisedTaskOptions options, bool keep = false)
            {
                var trainingClock = Stopwatch.StartNew();
                var chain = ml.Transforms.Conversion.MapValueToKey("Key", "Label").Append(ml.Gpt().Trainers.TextClassification("Key", "Text", options with { Run = options.Run with { Progress = p => Console.Error.WriteLine($"{name}: {p}") } }))
                    .Fit(ml.Data.LoadFromEnumerable(task.Training));
                MulticlassClassificationMetrics metrics = ml.MulticlassClassification.Evaluate(chain.Transform(test), labelColumnName: "Key", topKPredictionCount: 3);
                SupervisedTaskTransformer transformer = chain.LastTransformer;
                double share = (double)transformer.Training.TrainedParameters / transformer.Training.TotalParameters;
                if (keep) kept = transformer.Model;
                else transformer.Dispose();
                return new(metrics.MicroAccuracy, metrics.TopKAccuracy, metrics.LogLoss, share, trainingClock.Elapsed.TotalSeconds);
            }
        }

        // 4. The deployed model in a pipeline: its probabilities, and its speed beside PyTorch's.
        (double worst, double ours, double peer) = Deploy(ml, kept!, first, folder);
        kept!.Dispose();

        // 5. The table.
        Console.WriteLine();
        Console.WriteLine("                              accuracy (mean)   per seed                 top 3   log-loss   trained   seconds");
        Line("majority", majority, [], null);
        Line("bag of words, tuned", rows.Average(static r => r.Baseline), [.. rows.Select(static r => r.Baseline)], null);
        LineOf("GPT from scratch", static r => r.Scratch);
        LineOf("pretrained, LoRA rank 8", static r => r.Lora);
        LineOf("pretrained, no auxiliary loss", static r => r.Plain);
        LineOf("pretrained, fine-tuned", static r => r.Tuned);
        Console.WriteLine();
        Console.WriteLine(Invariant($"ONNX Runtime against TorchSharp, 1,000 texts in a pipeline: largest difference of a probability {worst:E1}; {clock.Elapsed.TotalMinutes:F1} minutes in all"));
        double tuned = rows.Average(static r => r.Tuned.Accuracy), scratch = rows.Average(static r => r.Scratch.Accuracy), baseline = rows.Average(static r => r.Baseline), lora = rows.Average(static r => r.Lora.Accuracy);
        string[] failures =
        [
            .. Unless(majority < baseline && baseline < tuned, "majority < bag of words < fine-tuned"),
            .. Unless(scratch < tuned, "scratch < fine-tuned"),
            .. Unless(lora > tuned - 0.02, "LoRA within 2 points of fine-tuned"),
            .. Unless(rows[0].Lora.Share < 0.05, "LoRA trains less than 5 %"),
            .. Unless(worst <= 1e-4, "probabilities within 1e-4"),
        ];
        foreach (string failure in failures) Console.WriteLine($"does not hold: {failure}");
        Console.WriteLine(Invariant($"classify accuracy={tuned:F4} scratch={scratch:F4} baseline={baseline:F4} majority={majority:F4} lora={lora:F4} noaux={rows.Average(static r => r.Plain.Accuracy):F4} texts_per_second={ours:F0} peer_texts_per_second={peer:F0} ratio={ours / peer:F3} probability_difference={worst:E1} unit=accuracy"));
        return failures.Length == 0 || quick ? 0 : 1;

        void LineOf(string name, Func<Row, Trained> of) => Line(name, rows.Average(r => of(r).Accuracy), [.. rows.Select(r => of(r).Accuracy)], rows.Select(of).ToArray());

        static void Line(string name, double mean, double[] each, Trained[]? trained) => Console.WriteLine(Invariant(
            $"{name,-30}{mean,15:P1}   {string.Join(' ', each.Select(static value => value.ToString("P1", CultureInfo.InvariantCulture))),-22}{(trained is null ? "" : Invariant($"{trained.Average(static t => t.TopK),8:P1}{trained.Average(static t => t.LogLoss),11:F3}{trained[0].Share,10:P1}{trained.Average(static t => t.Seconds),10:F0}"))}"));

        static string[] Unless(bool held, string what) => held ? [] : [what];
    }

    private static (double Worst, double Ours, double Peer) Deploy(MLContext ml, GptClassifier trained, ApiTask task, Scratch folder)
    {
        trained.ExportOnnx(folder.Path("onnx"));
        using GptClassifier deployed = GptClassifier.FromOnnx(folder.Path("onnx"), GptDevice.Cpu);
        IDataView test = ml.Data.LoadFromEnumerable(task.Test), thousand = ml.Data.TakeRows(test, 1_000);
        float[][] torch = Scores(trained, thousand), onnx = Scores(deployed, thousand);
        double worst = torch.Zip(onnx, static (a, b) => a.Zip(b, static (x, y) => Math.Abs(x - y)).Max()).Max();

        // Each text once, through the pipeline, tokenizer included; the median of three after one to warm up.
        var times = new List<double>();
        for (int i = 0; i < 4; i++)
        {
            var clock = Stopwatch.StartNew();
            Scores(deployed, test);
            times.Add(clock.Elapsed.TotalSeconds);
        }

        double ours = task.Test.Count / times.Skip(1).Order().ElementAt(1);
        GptConfig config = deployed.Config;
        int[][] sequences = [.. task.Test.Select(text => TaskSequences.Build(deployed.Head, config, [deployed.Tokenizer.Encode(text.Text, deployed.Head.SpecialTokens)], out _)[0])];
        JsonElement peer = Peer.Run("classify.py", ("throughput", null), ("--data", folder.Write("throughput.json", new
        {
            shape = new { vocabulary = config.VocabularySize + 3, context = config.ContextLength, width = config.EmbeddingSize, layers = config.LayerCount, heads = config.HeadCount, classes = deployed.Head.OutputCount },
            batches = LengthBatches.Divide([.. sequences.Select(static sequence => sequence.Length)], [.. sequences.Select(static _ => 1)], maxTokens: null, GptDevice.Cpu)
                .Select(batch => batch.Select(i => sequences[i])),
        })));
        double theirs = peer.GetProperty("texts_per_second").GetDouble();
        Console.WriteLine(Invariant($"throughput: ONNX Runtime in a pipeline, tokenizer included, {ours:F0} texts/s; PyTorch {peer.GetProperty("torch").GetString()} eager, the model alone, {theirs:F0} texts/s"));
        return (worst, ours, theirs);

        float[][] Scores(GptClassifier model, IDataView view) =>
            [.. ml.Data.CreateEnumerable<Scored>(ml.Gpt().Transforms.ClassifyText("Score", "Text", model).Fit(view).Transform(view), reuseRowObject: false).Select(static row => row.Score)];
    }

    private static object[][] Pairs(IReadOnlyList<ApiText> texts) => [.. texts.Select(static text => new object[] { Array.IndexOf(ApiTask.Classes, text.Label), text.Text })];

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed record Document(string Text);

    private sealed record Trained(double Accuracy, double TopK, double LogLoss, double Share, double Seconds);

    private sealed record Row(double Baseline, Trained Scratch, Trained Tuned, Trained Plain, Trained Lora);

    private sealed class Scored
    {
        public float[] Score { get; set; } = [];
    }

    /// <summary>A folder that is deleted afterwards.</summary>
    private sealed class Scratch : IDisposable
    {
        private readonly string _path = Directory.CreateTempSubdirectory("mlnet-gpt-classify-").FullName;

        public string Path(string name) => System.IO.Path.Combine(_path, name);

        public string Write(string name, object content)
        {
            File.WriteAllText(Path(name), JsonSerializer.Serialize(content));
            return Path(name);
        }

        public void Dispose() => Directory.Delete(_path, recursive: true);
    }
}
