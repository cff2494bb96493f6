using Microsoft.ML;

namespace MLNet.Gpt.Trainers.Tests.Runs;

/// <summary>A process that trains in a folder, from wherever the run in it stands, until it is done or killed; <see cref="KilledRunTests"/> starts it.</summary>
internal static class KilledRun
{
    public const string Command = "train-until-killed";

    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghij "]);
    private static readonly GptConfig Shape = new() { VocabularySize = Letters.VocabularySize, ContextLength = 16, EmbeddingSize = 32, LayerCount = 2, HeadCount = 2 };

    public static int Train(string kind, string folder)
    {
        var ml = new MLContext();
        var run = new RunOptions
        {
            Folder = folder,
            Resume = true,
            CheckpointInterval = 3,
            KeepCheckpoints = 2,
            LogInterval = 2,
            AverageDecay = 0.9,
            TensorBoard = true,
            Seed = 7,
            Device = GptDevice.Cpu,
            Precision = GptPrecision.Float32,
            PeakFlops = 0,
            Progress = static report => Console.WriteLine(report.Step),
        };
        var evaluation = new EvaluationOptions { ValidationFraction = 0.2, Interval = 7, ReturnBest = true };
        IDataView rows = ml.Data.LoadFromEnumerable(Rows());
        switch (kind)
        {
            case "pretraining":
                ml.Gpt().Trainers.LanguageModel("Text", new()
                {
                    Model = Shape.WithDropout(0.1f), Tokenizer = Letters, MaxSteps = 40, BatchSize = 8, MicroBatchSize = 4, Evaluation = evaluation, Run = run,
                }).Fit(rows).Dispose();
                return 0;
            case "fine-tuning" or "adapter":
                using (GptModel model = Pretrained())
                {
                    ml.Gpt().Trainers.SupervisedFineTuning("Written", "Text", "Completion", new()
                    {
                        Pretrained = model, Lora = kind == "adapter" ? new() { Rank = 2, Dropout = 0.1f } : null, Epochs = 5, BatchSize = 8, MicroBatchSize = 3, Packing = true,
                        Optimizer = new() { LearningRate = 1e-3, WarmupSteps = 0 }, Evaluation = evaluation, Run = run,
                    }).Fit(rows).Dispose();
                }

                return 0;
            case "task" or "task-adapter":
                using (GptModel model = Pretrained())
                {
                    IDataView keyed = ml.Transforms.Conversion.MapValueToKey("Key", "Label").Fit(rows).Transform(rows);
                    ml.Gpt().Trainers.TextClassification("Key", "Text", new SupervisedTaskOptions
                    {
                        Pretrained = model, Lora = kind == "task-adapter" ? new() { Rank = 2 } : null, Epochs = 5, BatchSize = 8, MicroBatchSize = 3, Optimizer = new() { LearningRate = 1e-3 }, Evaluation = evaluation, Run = run,
                    }).Fit(keyed).Dispose();
                }

                return 0;
            default:
                return 2;
        }
    }

    private static GptModel Pretrained() => new(new TorchCausalModel(new GptNetwork(Shape, GptDevice.Cpu, seed: 3)), Letters);

    /// <summary>80 words that differ.</summary>
    private static IEnumerable<Row> Rows()
    {
        for (int i = 0; i < 80; i++)
        {
            string word = string.Concat($"{i:D2}".Select(static digit => (char)(digit - '0' + 'a')));
            yield return new() { Text = $"{word} {word[1]}{word[0]}", Completion = $"{word[0]}{word[0]}", Label = i % 2 == 0 ? "even" : "odd" };
        }
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";

        public string Completion { get; set; } = "";

        public string Label { get; set; } = "";
    }
}
