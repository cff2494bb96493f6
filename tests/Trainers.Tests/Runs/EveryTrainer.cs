using Microsoft.ML;
using TorchSharp;

namespace MLNet.Gpt.Trainers.Tests.Runs;

/// <summary>A small run of each trainer, over the same rows, with dropout, micro-batches and a validation set: 40 updates.</summary>
internal static class EveryTrainer
{
    public const int Steps = 40;

    public static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghij "]);
    public static readonly GptConfig Shape = new() { VocabularySize = Letters.VocabularySize, ContextLength = 16, EmbeddingSize = 32, LayerCount = 2, HeadCount = 2 };

    /// <summary>How a run ended.</summary>
    /// <param name="Weights">All of the returned model's numbers.</param>
    public sealed record Outcome(IReadOnlyList<TrainingProgress> History, int Steps, bool Cancelled, string? LastCheckpoint, string? BestCheckpoint, float[] Weights)
    {
        public (int, double, double?)[] Losses => [.. History.Select(static p => (p.Step, p.Loss, p.ValidationLoss))];
    }

    /// <summary>The trainers, some with an adapter, some over frozen weights.</summary>
    public static IEnumerable<object[]> Kinds => [["pretraining"], ["fine-tuning"], ["adapter"], ["task"], ["task-adapter"], ["task-frozen"], ["task-head"], ["regression"], ["choice"], ["reward"], ["reward-adapter"], ["reward-frozen"], ["reward-head"], ["preference"], ["preference-adapter"], ["ppo"], ["ppo-adapter"], ["grpo"], ["rloo"]];

    /// <summary>Options for a run on a CPU.</summary>
    public static RunOptions Run { get; } = new()
    {
        CheckpointInterval = 3,
        LogInterval = 2,
        Seed = 7,
        Device = GptDevice.Cpu,
        Precision = GptPrecision.Float32,
        PeakFlops = 0,
        Dropout = DropoutOptions.Everywhere(0.1f),
    };

    /// <summary>Trains, on one thread: on tensors so small two wait for each other, for long where other processes want the cores.</summary>
    public static Outcome Fit(string kind, RunOptions run, MicroBatchSize? microBatch = null, double rate = 1e-3, string? temporary = null, int warmup = 0, Action<LoggingEventArgs>? log = null)
    {
        TorchRuntime.Open(GptDevice.Cpu);
        int threads = torch.get_num_threads();
        torch.set_num_threads(1);
        try
        {
            var ml = new MLContext { TempFilePath = temporary };
            if (log is not null) ml.Log += (_, e) => log(e);
            return FitOf(ml, kind, run, microBatch, rate, warmup);
        }
        finally
        {
            torch.set_num_threads(threads);
        }
    }

    /// <summary>What of the pretrained model a kind leaves as it is.</summary>
    public static FrozenWeights FreezeOf(string kind) =>
        kind.EndsWith("-frozen", StringComparison.Ordinal) ? FrozenWeights.Pretrained : kind.EndsWith("-head", StringComparison.Ordinal) ? FrozenWeights.AllButHead : FrozenWeights.None;

    /// <summary>Whether a kind optimises a policy.</summary>
    public static bool IsPolicy(string kind) => kind is "ppo" or "ppo-adapter" or "grpo" or "rloo";

    private static Outcome FitOf(MLContext ml, string kind, RunOptions run, MicroBatchSize? microBatch, double rate, int warmup)
    {
        IDataView rows = ml.Data.LoadFromEnumerable(Rows());
        var evaluation = new EvaluationOptions { ValidationFraction = 0.2, Interval = 7, ReturnBest = true };
        if (kind == "pretraining")
        {
            using GptLanguageModelTransformer trained = ml.Gpt().Trainers.LanguageModel("Text", new()
            {
                Model = Shape, Tokenizer = Letters, MaxSteps = Steps, BatchSize = 8, MicroBatchSize = microBatch ?? 4, Optimizer = new() { LearningRate = rate, WarmupSteps = warmup }, Evaluation = evaluation, Run = run,
            }).Fit(rows);
            PretrainingResult result = trained.Training;
            return new(result.History, result.Steps, result.Cancelled, result.LastCheckpoint, result.BestCheckpoint, Weights(((TorchCausalModel)trained.Model.Engine).Network));
        }

        using GptModel pretrained = new(new TorchCausalModel(new GptNetwork(Shape, GptDevice.Cpu, seed: 3)), Letters);
        LoraOptions? lora = kind.EndsWith("adapter", StringComparison.Ordinal) ? new() { Rank = 2, Dropout = 0.1f } : null;
        FrozenWeights freeze = FreezeOf(kind);
        if (freeze != FrozenWeights.None) run = run with { Dropout = null, ActivationCheckpointing = run.ActivationCheckpointing && freeze == FrozenWeights.Pretrained };
        if (kind is "fine-tuning" or "adapter")
        {
            using GptSupervisedFineTuningTransformer trained = ml.Gpt().Trainers.SupervisedFineTuning("Written", "Text", "Completion", new()
            {
                Pretrained = pretrained, Lora = lora, Epochs = 5, BatchSize = 8, MicroBatchSize = microBatch ?? 3, Packing = true, Optimizer = new() { LearningRate = rate, WarmupSteps = warmup }, Evaluation = evaluation, Run = run,
            }).Fit(rows);
            FineTuningResult result = trained.Training;
            return new(result.History, result.Steps, result.Cancelled, result.LastCheckpoint, result.BestCheckpoint, Weights(((TorchCausalModel)trained.Model.Engine).Network));
        }

        if (kind.StartsWith("reward", StringComparison.Ordinal))
        {
            var options = new RewardModelOptions
            {
                Pretrained = pretrained, Lora = lora, Freeze = freeze, Epochs = 5, BatchSize = 8, MicroBatchSize = microBatch ?? 3, Margin = 0.1, Head = new() { Readout = lora is null ? RewardReadout.ReadoutToken : RewardReadout.LastToken },
                Optimizer = new() { LearningRate = rate, WarmupSteps = warmup }, Evaluation = evaluation, Run = run,
            };
            using GptRewardModelTransformer trained = kind == "reward"
                ? ml.Gpt().Trainers.RewardModel("Grade", "Text", "Text", "Response", options).Fit(ml.Data.LoadFromEnumerable(Graded()))
                : ml.Gpt().Trainers.RewardModelFromPairs("Text", "Completion", "Other", options).Fit(rows);
            RewardModelResult result = trained.Training;
            RewardNetwork reward = ((TorchRewardModel)trained.Model.Engine).Network;
            return new(result.History, result.Steps, result.Cancelled, result.LastCheckpoint, result.BestCheckpoint, [.. Weights(reward.Network), .. reward.Extra.Master.data<float>()]);
        }

        if (kind is "preference" or "preference-adapter")
        {
            using GptDirectPreferenceTransformer trained = ml.Gpt().Trainers.DirectPreference("Written", "Text", "Completion", "Other", new()
            {
                Pretrained = pretrained, Lora = lora, Epochs = 5, BatchSize = 8, MicroBatchSize = microBatch ?? 3, Objective = lora is null ? PreferenceObjective.Sigmoid : PreferenceObjective.Identity,
                Optimizer = new() { LearningRate = rate, WarmupSteps = warmup }, Evaluation = evaluation, Run = run,
            }).Fit(rows);
            DirectPreferenceResult result = trained.Training;
            return new(result.History, result.Steps, result.Cancelled, result.LastCheckpoint, result.BestCheckpoint, Weights(((TorchCausalModel)trained.Model.Engine).Network));
        }

        if (IsPolicy(kind))
        {
            // 10 rollouts of 16 responses, each in two updates, and those twice.
            using GptPolicyTransformer trained = ml.Gpt().Trainers.PolicyOptimization("Text", new()
            {
                Pretrained = pretrained, Lora = lora, Algorithm = kind switch { "grpo" => PolicyAlgorithm.Grpo, "rloo" => PolicyAlgorithm.Rloo, _ => PolicyAlgorithm.Ppo }, Episodes = 160, BatchSize = 8, MicroBatchSize = microBatch ?? 3,
                Rollout = new() { Minibatches = 2, InnerEpochs = 2, MaxNewTokens = 4 },
                Reward = new() { Sources = [PolicyReward.Of(static (_, response) => response.Count(static c => c == 'a'))], MissingEndPenalty = 0.2, Normalization = RewardNormalization.Standardize },
                Kl = new() { Target = 0.01, Horizon = 100 }, PretrainingMix = kind == "ppo" ? new() { Texts = rows, Coefficient = 0.5, BatchSize = 2 } : null,
                Optimizer = new() { LearningRate = rate, WarmupSteps = warmup }, Evaluation = evaluation, Run = run,
            }).Fit(rows);
            PolicyOptimizationResult result = trained.Training;
            return new(result.History, result.Steps, result.Cancelled, result.LastCheckpoint, result.BestCheckpoint, Weights(((TorchCausalModel)trained.Model.Engine).Network));
        }

        IDataView keyed = ml.Transforms.Conversion.MapValueToKey("Key", "Label").Fit(rows).Transform(rows);
        var taskOptions = new SupervisedTaskOptions
        {
            Pretrained = pretrained, Lora = lora, Freeze = freeze, Epochs = 5, BatchSize = 8, MicroBatchSize = microBatch ?? 3, Optimizer = new() { LearningRate = rate }, Evaluation = evaluation, Run = run,
        };
        SupervisedTaskTrainer trainer = kind switch
        {
            "regression" => ml.Gpt().Trainers.SentenceSimilarity("Likeness", "Text", "Completion", taskOptions),
            "choice" => ml.Gpt().Trainers.MultipleChoice("Key", "Text", ["Completion", "Other"], taskOptions),
            "task-frozen" => ml.Gpt().Trainers.TextEntailment("Key", "Text", "Completion", taskOptions),
            _ => ml.Gpt().Trainers.TextClassification("Key", "Text", taskOptions),
        };
        using SupervisedTaskTransformer task = trainer.Fit(keyed);
        SupervisedTaskResult training = task.Training;
        TaskNetwork network = ((TorchTextClassifier)task.Model.Engine).Network;
        return new(training.History, training.Steps, training.Cancelled, training.LastCheckpoint, training.BestCheckpoint, [.. Weights(network.Network), .. network.Extra.Master.data<float>()]);
    }

    private static float[] Weights(GptNetwork network) => [.. GptParameterLayout.Of(network.Config).SelectMany(info =>
    {
        var values = new float[info.ElementCount];
        network.Read(info.Name, values);
        return values;
    })];

    /// <summary>80 rows that differ: 64 of them are trained on, in 8 updates an epoch.</summary>
    private static IEnumerable<TrainingRow> Rows()
    {
        for (int i = 0; i < 80; i++)
        {
            string word = string.Concat($"{i:D2}".Select(static digit => (char)(digit - '0' + 'a')));
            yield return new() { Text = $"{word} {word[1]}{word[0]}", Completion = $"{word[0]}{word[0]}", Other = $"{word[1]}", Label = i % 2 == 0 ? "even" : "odd", Likeness = i / 80f };
        }
    }

    /// <summary>The same as graded responses, two to a prompt.</summary>
    private static IEnumerable<GradedRow> Graded() => Rows().SelectMany(static row => (GradedRow[])[new() { Text = row.Text, Response = row.Completion, Grade = 2 }, new() { Text = row.Text, Response = row.Other, Grade = 1 }]);

    private sealed class GradedRow
    {
        public string Text { get; set; } = "";

        public string Response { get; set; } = "";

        public float Grade { get; set; }
    }
}
