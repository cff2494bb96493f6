using System.Diagnostics;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt;
using QuickStart;

// The whole way of the data: real text → tokens → a GPT trained from scratch → ONNX → an ML.NET pipeline that writes.
if (args is ["--help" or "-h"])
{
    Console.WriteLine(Arguments.Usage);
    return 0;
}

Arguments arguments;
try
{
    arguments = Arguments.Parse(args);
}
catch (ArgumentException e)
{
    Console.Error.WriteLine(e.Message);
    Console.Error.WriteLine(Arguments.Usage);
    return 2;
}

if (RunFolder.Begin(arguments.RunFolder, arguments.TextPath) is { } refusal)
{
    Console.Error.WriteLine(refusal);
    return 2;
}

var clock = Stopwatch.StartNew();
var ml = new MLContext(seed: 1);

// 1. Real text.
string source = arguments.TextPath ?? SdkDocumentation.FindFolder();
List<Document> texts = [.. (arguments.TextPath is { } path
    ? File.ReadAllText(path).ReplaceLineEndings("\n").Split("\n\n", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
    : SdkDocumentation.ReadSummaries(source)).Select(static text => new Document { Text = text })];
Section("1. Text");
Console.WriteLine($"{texts.Count:N0} documents, {texts.Sum(static d => (long)d.Text.Length):N0} characters from {source}");

// 2. A tokenizer and a small GPT, trained on it.
Section("2. Training");
IDataView documents = ml.Data.LoadFromEnumerable(texts);
LanguageModelTrainer trainer = ml.Gpt().Trainers.LanguageModel("Text", new LanguageModelOptions
{
    Model = new GptConfig { VocabularySize = 2_048, ContextLength = 128, EmbeddingSize = 192, LayerCount = 4, HeadCount = 6 },
    MaxSteps = arguments.Steps,
    BatchSize = 16,
    Optimizer = new AdamWOptions { LearningRate = 2e-3, WarmupSteps = Math.Min(50, arguments.Steps / 4), Beta2 = 0.99 },
    Evaluation = new() { ValidationFraction = 0.05, Interval = Math.Max(1, (arguments.Steps + 5) / 6), MaxRows = 128 },
    Run = new() { LogInterval = Math.Max(1, arguments.Steps / 32), Folder = arguments.RunFolder, Progress = static progress => Console.WriteLine(progress) },
});
using GptLanguageModelTransformer languageModel = trainer.Fit(documents);
PretrainingResult training = languageModel.Training;
double uniform = Math.Log(languageModel.Model.Config.VocabularySize);
Console.WriteLine($"validation loss: {uniform:F2} before (a uniform guess), {training.BestValidationLoss:F2} after {training.BestStep} steps");
Console.WriteLine($"loss curve: {Path.Combine(arguments.RunFolder, "loss.svg")}");
Check(training.BestValidationLoss < uniform, "the validation loss fell");

// 3. The trained model as an ONNX package, which needs no TorchSharp.
Section("3. ONNX");
string package = Path.Combine(arguments.RunFolder, "onnx");
languageModel.Model.ExportOnnx(package);
using GptModel deployed = GptModel.FromOnnx(package);
Console.WriteLine($"{package}: {Directory.EnumerateFiles(package).Sum(static f => new FileInfo(f).Length) / 1e6:F1} MB, runs on {deployed.Engine.Device}");
double difference = EngineComparison.LargestLogitDifference(languageModel.Model, deployed, "Gets or sets the value that indicates whether");
Console.WriteLine($"largest difference between the two engines' logits: {difference:E1}");
Check(difference <= 1e-4, "TorchSharp and ONNX Runtime agree");

// 4. An ML.NET pipeline over the ONNX model, saved and loaded like any other.
Section("4. ML.NET pipeline");
List<Question> questions = [.. ((string[])["Gets", "Returns", "Initializes a new", "Represents", "Converts the", "Indicates whether"]).Select(static q => new Question { Text = q })];
IDataView prompts = ml.Data.LoadFromEnumerable(questions);
var pipeline = ml.Transforms.CopyColumns("Prompt", "Text")
    .Append(ml.Gpt().Transforms.GenerateText("Answer", "Prompt", deployed, new() { MaxNewTokens = 40, Temperature = 0.7f, TopK = 40, Seed = 7 }));
string zip = Path.Combine(arguments.RunFolder, "model.zip");
ITransformer fitted = pipeline.Fit(prompts);
ml.Model.Save(fitted, prompts.Schema, zip);
Console.WriteLine($"{zip}: {new FileInfo(zip).Length / 1e6:F1} MB");

ITransformer loaded = new MLContext().Model.Load(zip, out _);
List<Answer> before = [.. ml.Data.CreateEnumerable<Answer>(fitted.Transform(prompts), reuseRowObject: false)];
List<Answer> after = [.. ml.Data.CreateEnumerable<Answer>(loaded.Transform(prompts), reuseRowObject: false)];
Check(before.Select(static a => a.Text).SequenceEqual(after.Select(static a => a.Text)), "the loaded pipeline writes what the saved one wrote");

Section("5. What the loaded pipeline writes");
foreach (Answer answer in after) Console.WriteLine($"  {answer.Prompt}│{answer.Text.ReplaceLineEndings(" ")}");
Check(after.Any(static a => a.Text.Trim().Length > 0), "it writes something");
(loaded as IDisposable)?.Dispose();

Console.WriteLine($"""

    All of it held, in {clock.Elapsed.TotalMinutes:F1} minutes. What to try next:
      a longer run        --steps 6000
      your own text       --text book.txt
      look at the curve   {Path.Combine(arguments.RunFolder, "loss.svg")}
      deploy              reference MLNet.Gpt.Transforms, and load {zip} with mlContext.Model.Load
    """);
return 0;

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

internal sealed class Document
{
    public string Text { get; set; } = "";
}

internal sealed class Question
{
    public string Text { get; set; } = "";
}

internal sealed class Answer
{
    public string Prompt { get; set; } = "";

    [ColumnName("Answer")]
    public string Text { get; set; } = "";
}
