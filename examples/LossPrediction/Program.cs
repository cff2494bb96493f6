using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using MLNet.Gpt;
using LossPredictionExample;
using QuickStart;

// Trains four small sizes on real text, fits a scaling law to their final losses, predicts a fifth, larger run with an interval, then
// trains that one and checks.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
bool quick = false;
string folder = Path.Combine("runs", "loss-prediction");
for (int i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--quick": quick = true; break;
        case "--out" when i + 1 < args.Length: folder = args[++i]; break;
        default:
            bool help = args[i] is "--help" or "-h";
            (help ? Console.Out : Console.Error).WriteLine($"""
                {(help ? "Predicts the loss of a larger run from small ones." : $"There is no option '{args[i]}', or it needs a value.")}

                  --quick      seconds instead of minutes; the runs are then too short to judge the prediction
                  --out PATH   where prediction.svg goes (default runs/loss-prediction)
                """);
            return help ? 0 : 2;
    }
}

var clock = Stopwatch.StartNew();
Plan plan = quick ? Plan.Quick : Plan.Full;
var ml = new MLContext(seed: 1);
List<Document> texts = [.. SdkDocumentation.ReadSummaries(SdkDocumentation.FindFolder()).Take(plan.Documents).Select(static text => new Document(text))];
GptTokenizer tokenizer = GptTokenizer.FromCharacters(texts.Select(static d => d.Text));
IDataView documents = ml.Data.LoadFromEnumerable(texts);
Console.WriteLine($"{texts.Count:N0} documents, {texts.Sum(static d => (long)d.Text.Length):N0} characters, {tokenizer.VocabularySize} different ones");

// 1. The small runs: every size with every number of tokens.
Console.WriteLine("\n   size           N           D     loss");
var runs = new List<ScalingRun>();
foreach (Size size in plan.Small)
{
    foreach (int steps in plan.Steps) runs.Add(Train(size, steps));
}

// 2. The law, and what it says of the run to come.
LossScalingLaw law = LossScalingLaw.Fit(runs);
GptConfig config = plan.Large.Config(tokenizer.VocabularySize, plan.ContextLength);
double n = Size.Parameters(config), d = plan.Tokens(plan.LargeSteps);
LossPrediction prediction = law.Predict(n, d);
Console.WriteLine($"\n{law}");
Console.WriteLine($"runs scatter about it by {100 * law.ResidualDeviation:F2} %");
Console.WriteLine($"prediction for N = {n:N0}, D = {d:N0}: {prediction}");
ComputeAllocation best = law.Allocate(6 * n * d);
Console.WriteLine($"with the same compute, {best.Flops:E1} FLOP, the law's best is N = {best.ParameterCount:N0} on D = {best.TokenCount:N0}: {best.Loss:F4}");

// 3. The run itself.
Console.WriteLine();
ScalingRun large = Train(plan.Large, plan.LargeSteps);
Directory.CreateDirectory(folder);
string picture = Path.Combine(folder, "prediction.svg");
File.WriteAllText(picture, Picture.Draw(law, runs, large, prediction));
Console.WriteLine($"\npicture: {picture}");
Console.WriteLine($"predicted {prediction.Loss:F4}, measured {large.Loss:F4}: off by {100 * ((prediction.Loss / large.Loss) - 1):+0.00;-0.00} %; {clock.Elapsed.TotalMinutes:F1} minutes in all");
if (quick)
{
    Console.WriteLine("not judged: runs this short do not follow the law yet; run without --quick");
    return 0;
}

bool held = prediction.Contains(large.Loss);
Console.WriteLine(held ? $"ok: the loss lies in the {100 * prediction.Level:0} % interval" : $"FAILED: the loss lies outside the {100 * prediction.Level:0} % interval");
return held ? 0 : 1;

ScalingRun Train(Size size, int steps)
{
    GptConfig model = size.Config(tokenizer.VocabularySize, plan.ContextLength);
    LanguageModelTrainer trainer = ml.Gpt().Trainers.LanguageModel("Text", new LanguageModelOptions
    {
        Model = model,
        Tokenizer = tokenizer,
        MaxSteps = steps,
        BatchSize = plan.BatchSize,
        Optimizer = new AdamWOptions { LearningRate = size.LearningRate, WarmupSteps = Math.Min(50, steps / 5), Beta2 = 0.99 },
        ResidualInitializerScale = 1,
        Evaluation = new() { ValidationFraction = 0.05, Interval = steps, MaxRows = plan.EvaluationRows, ReturnBest = false },
        Run = new() { Precision = GptPrecision.Float32, LogInterval = steps, Seed = 1 },
    });
    using GptLanguageModelTransformer trained = trainer.Fit(documents);
    var run = new ScalingRun(Size.Parameters(model), plan.Tokens(steps), trained.Training.ValidationLoss!.Value);
    Console.WriteLine($"{size,7}{run.ParameterCount,12:N0}{run.TokenCount,12:N0}{run.Loss,9:F4}");
    return run;
}

internal sealed record Document(string Text);
