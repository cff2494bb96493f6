using System.Diagnostics;
using System.Globalization;
using Classification;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;
using MLNet.Gpt;
using QuickStart;

// Pretrain → fine-tune → evaluate → ONNX → pipeline, on real text: which namespace of .NET does a member belong to, by its summary?
int steps = 1_500, perClass = 50;
string run = Path.Combine("runs", "classification");
for (int i = 0; i < args.Length; i += 2)
{
    string value = i + 1 < args.Length ? args[i + 1] : "";
    bool number = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int whole) && whole > 0;
    switch (args[i])
    {
        case "--steps" when number: steps = whole; break;
        case "--labels" when number: perClass = whole; break;
        case "--out" when value.Length > 0: run = value; break;
        default:
            Console.Error.WriteLine("""
                Pretrains a small GPT on the .NET documentation and fine-tunes it to tell a member's namespace by its summary.

                  --steps N    pretraining steps (default 1,500, about four minutes on two CPU cores)
                  --labels N   labelled texts of each of the twelve classes (default 50)
                  --out PATH   the run folder (default runs/classification); an earlier run there is replaced
                """);
            return args[i] is "--help" or "-h" ? 0 : 2;
    }
}

if (RunFolder.Begin(run, input: null) is { } refusal)
{
    Console.Error.WriteLine(refusal);
    return 2;
}

var clock = Stopwatch.StartNew();
var ml = new MLContext(seed: 1);

// 1. Many texts, few labels.
Section("1. Data");
ApiTask task = ApiTask.Split(ApiTask.Read(SdkDocumentation.FindFolder()), perClass, testSize: 2_000, seed: 1);
IDataView documents = ml.Data.LoadFromEnumerable(task.Documents.Select(static text => new { Text = text }));
IDataView training = ml.Data.LoadFromEnumerable(task.Training), test = ml.Data.LoadFromEnumerable(task.Test);
double majority = task.Test.CountBy(static text => text.Label).Max(static pair => pair.Value) / (double)task.Test.Count;
Console.WriteLine($"{task.Documents.Count:N0} documents to pretrain on; {task.Training.Count} labelled texts of {ApiTask.Classes.Length} classes; {task.Test.Count:N0} texts to test on");

// 2. Pretrain, without labels and without the test texts.
Section("2. Pretraining");
using GptLanguageModelTransformer pretrained = ml.Gpt().Trainers.LanguageModel("Text", new LanguageModelOptions
{
    Model = new GptConfig { VocabularySize = 4_096, ContextLength = 128, EmbeddingSize = 192, LayerCount = 4, HeadCount = 6 },
    MaxSteps = steps,
    BatchSize = 16,
    Optimizer = new AdamWOptions { LearningRate = 2e-3, WarmupSteps = Math.Min(50, steps / 4), Beta2 = 0.99 },
    Evaluation = new() { ValidationFraction = 0.02, Interval = Math.Max(1, (steps + 3) / 4), MaxRows = 64 },
    Run = new() { LogInterval = Math.Max(1, steps / 16), Folder = Path.Combine(run, "pretraining"), Progress = static progress => Console.WriteLine(progress) },
}).Fit(documents);

// 3. Fine-tune on the labels.
Section("3. Fine-tuning");
var pipeline = ml.Transforms.Conversion.MapValueToKey("Key", "Label")
    .Append(ml.Gpt().Trainers.TextClassification("Key", "Text", new SupervisedTaskOptions
    {
        Pretrained = pretrained.Model,
        Epochs = 10,
        Optimizer = new() { LearningRate = 5e-4, WarmupFraction = 0.05 },
        Run = new() { Folder = Path.Combine(run, "fine-tuning"), Progress = static progress => Console.WriteLine(progress) },
    }))
    .Append(ml.Transforms.Conversion.MapKeyToValue("Predicted", "PredictedLabel"));
TransformerChain<KeyToValueMappingTransformer> fitted = pipeline.Fit(training);
using SupervisedTaskTransformer trained = fitted.OfType<SupervisedTaskTransformer>().Single();

// 4. Evaluate as any ML.NET classifier.
Section("4. Evaluation");
MulticlassClassificationMetrics metrics = ml.MulticlassClassification.Evaluate(fitted.Transform(test), labelColumnName: "Key", topKPredictionCount: 3);
Console.WriteLine($"accuracy {metrics.MicroAccuracy:P1} of {task.Test.Count:N0} texts (the largest class has {majority:P1}); among the first three {metrics.TopKAccuracy:P1}; log-loss {metrics.LogLoss:F3}");
Check(metrics.MicroAccuracy > majority, "it does better than the largest class");

// 5. ONNX: the same probabilities without TorchSharp.
Section("5. ONNX");
string package = Path.Combine(run, "onnx");
trained.Model.ExportOnnx(package);
using GptClassifier deployed = GptClassifier.FromOnnx(package);
IDataView thousand = ml.Data.TakeRows(test, 1_000);
List<Prediction> torch = Rows(fitted.Transform(thousand));
var onnxClock = Stopwatch.StartNew();
List<Scores> onnx = [.. ml.Data.CreateEnumerable<Scores>(ml.Gpt().Transforms.ClassifyText("Score", "Text", deployed).Fit(thousand).Transform(thousand), reuseRowObject: false)];
double seconds = onnxClock.Elapsed.TotalSeconds;
float worst = torch.Zip(onnx, static (a, b) => a.Score.Zip(b.Score, static (x, y) => Math.Abs(x - y)).Max()).Max();
Console.WriteLine($"{package}: {Directory.EnumerateFiles(package).Sum(static file => new FileInfo(file).Length) / 1e6:F1} MB; {onnx.Count / seconds:N0} texts/s; largest difference of a probability {worst:E1}");
Check(worst <= 1e-4, "TorchSharp and ONNX Runtime agree on 1,000 texts");

// 6. The whole pipeline in ML.NET's own file, loaded as another app would.
Section("6. model.zip");
string zip = Path.Combine(run, "model.zip");
ml.Model.Save(fitted, training.Schema, zip);
ITransformer loaded = new MLContext().Model.Load(zip, out _);
Check(Rows(loaded.Transform(thousand)).Select(static row => row.Predicted).SequenceEqual(torch.Select(static row => row.Predicted)), "the loaded pipeline predicts what the saved one predicted");
using (PredictionEngine<ApiText, Prediction> engine = ml.Model.CreatePredictionEngine<ApiText, Prediction>(loaded))
{
    foreach (string text in (string[])["Gets the private key of the certificate.", "Sends bytes to a remote host over a socket.", "Returns the elements of a sequence that satisfy a condition.", "Opens a file for writing."])
        Console.WriteLine($"  {engine.Predict(new ApiText { Text = text }).Predicted,-14} {text}");
}

Console.WriteLine($"""

    All of it held, in {clock.Elapsed.TotalMinutes:F1} minutes. What to look at:
      the pretraining curve   {Path.Combine(run, "pretraining", "loss.svg")}
      the fine-tuning curve   {Path.Combine(run, "fine-tuning", "loss.svg")}
      more labels             --labels 200
      a table of baselines    benchmarks/run.sh classify
    """);
return 0;

List<Prediction> Rows(IDataView view) => [.. ml.Data.CreateEnumerable<Prediction>(view, reuseRowObject: false)];

static void Section(string title) => Console.WriteLine($"\n== {title}");

static void Check(bool held, string what)
{
    if (!held)
    {
        Console.Error.WriteLine($"FAILED: {what}");
        Environment.Exit(1);
    }

    Console.WriteLine($"ok: {what}");
}

internal sealed class Prediction
{
    public float[] Score { get; set; } = [];

    public string Predicted { get; set; } = "";
}

internal sealed class Scores
{
    public float[] Score { get; set; } = [];
}
