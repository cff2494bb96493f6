using Microsoft.ML;

namespace MLNet.Gpt.Trainers.Tests.Runs;

/// <summary>Epochs and batches of any size: a batch larger than the data is all of it, and a run that no counter holds is refused by name.</summary>
[TestClass]
public sealed class EpochStepsTests
{
    private static readonly MLContext Ml = new(seed: 1);

    public static IEnumerable<object[]> Kinds => [["fine-tuning"], ["reward"], ["preference"], ["task"]];

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void A_batch_larger_than_the_data_is_all_of_it(string kind)
    {
        Assert.AreEqual(2, Fit(kind, batchSize: int.MaxValue, epochs: 2));
        Assert.AreEqual(4, Fit(kind, batchSize: 4, epochs: 2), "6 examples by 4 are two updates an epoch");
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void More_updates_than_a_run_can_count_are_refused_with_both_numbers(string kind)
    {
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Fit(kind, batchSize: 4, epochs: int.MaxValue));
        StringAssert.StartsWith(error.Message, "Epochs is 2147483647, and an epoch has 2 updates: 4,294,967,294 in all, of which a run counts 2,147,483,647 at most.");
        Assert.AreEqual("Epochs", error.ParamName);
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void A_searched_micro_batch_of_such_a_batch_is_all_of_the_data_where_that_fits(string kind)
    {
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-epochs-").FullName;
        try
        {
            Fit(kind, batchSize: int.MaxValue, epochs: 1, MicroBatchSize.Auto, Path.Combine(folder, "run"));
            Assert.AreEqual("6", TrainingCheckpoint.Open(RunCheckpoints.FindLast(Path.Combine(folder, "run"))!).OptionOf(Fingerprint.MicroBatchSize));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public void A_window_of_any_number_of_batches_sorts_all_examples()
    {
        TaskExample[] examples = [.. Enumerable.Range(0, 20).Select(static i => new TaskExample([new int[1 + (i * 7 % 20)]], i, 0))];
        int[][] widths = [.. TaskBatches.Of(examples, 5, int.MaxValue, seed: 3, epoch: 0).Select(static batch => (int[])[.. batch.Select(static e => e.Width)])];
        CollectionAssert.AreEqual(Enumerable.Range(1, 20).ToArray(), widths.OrderBy(static batch => batch[0]).SelectMany(static batch => batch).ToArray());
        CollectionAssert.AreEqual(Enumerable.Range(1, 20).ToArray(), TaskBatches.Of(examples, int.MaxValue, 32, seed: 3, epoch: 0).Single().Select(static e => e.Width).ToArray());
    }

    [TestMethod]
    public void Rollouts_that_no_counter_holds_are_refused_by_name()
    {
        using GptModel start = Pretrained();
        var good = new PolicyOptimizationOptions { Pretrained = start, Reward = new() { Sources = [PolicyReward.Of(static (_, response) => response.Length)] } };
        good.Validate();
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => (good with { BatchSize = int.MaxValue, Rollout = good.Rollout with { Minibatches = 2 } }).Validate()).Message, "BatchSize times Rollout.Minibatches");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => (good with { Rollout = good.Rollout with { InnerEpochs = int.MaxValue, Minibatches = 2 } }).Validate()).Message, "Minibatches times InnerEpochs");
        PolicyOptimizationOptions endless = (good with { Episodes = long.MaxValue }).Validate();
        Assert.AreEqual("Episodes", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => endless.RolloutCount(prompts: 1)).ParamName);
        Assert.AreEqual(2, (good with { BatchSize = 4, Episodes = 5, Rollout = good.Rollout with { Minibatches = 1 } }).RolloutCount(prompts: 1), "rounded up to whole rollouts");
    }

    private static int Fit(string kind, int batchSize, int epochs, MicroBatchSize microBatch = default, string? folder = null)
    {
        IDataView rows = Ml.Data.LoadFromEnumerable(Enumerable.Range(0, 6).Select(static i => new TrainingRow { Text = $"{(char)('a' + i)}bcd {(char)('j' - i)}", Completion = "ab", Other = "ba", Label = i % 2 == 0 ? "even" : "odd" }));
        RunOptions run = EveryTrainer.Run with { LogInterval = 100, Folder = folder };
        EvaluationOptions evaluation = new() { ValidationFraction = folder is null ? null : 0 };
        using GptModel pretrained = Pretrained();
        GptTrainersCatalog trainers = Ml.Gpt().Trainers;
        switch (kind)
        {
            case "fine-tuning":
                using (var trained = trainers.SupervisedFineTuning("Written", "Text", "Completion", new() { Pretrained = pretrained, Epochs = epochs, BatchSize = batchSize, MicroBatchSize = microBatch, Evaluation = evaluation, Run = run }).Fit(rows)) return trained.Training.Steps;
            case "reward":
                using (var trained = trainers.RewardModelFromPairs("Text", "Completion", "Other", new() { Pretrained = pretrained, Epochs = epochs, BatchSize = batchSize, MicroBatchSize = microBatch, Evaluation = evaluation, Run = run }).Fit(rows)) return trained.Training.Steps;
            case "preference":
                using (var trained = trainers.DirectPreference("Written", "Text", "Completion", "Other", new() { Pretrained = pretrained, Epochs = epochs, BatchSize = batchSize, MicroBatchSize = microBatch, Evaluation = evaluation, Run = run }).Fit(rows)) return trained.Training.Steps;
            default:
                IDataView keyed = Ml.Transforms.Conversion.MapValueToKey("Key", "Label").Fit(rows).Transform(rows);
                using (var trained = trainers.TextClassification("Key", "Text", new SupervisedTaskOptions { Pretrained = pretrained, Epochs = epochs, BatchSize = batchSize, MicroBatchSize = microBatch, Evaluation = evaluation, LengthBucketBatches = int.MaxValue, Run = run }).Fit(keyed)) return trained.Training.Steps;
        }
    }

    private static GptModel Pretrained() => new(new TorchCausalModel(new GptNetwork(EveryTrainer.Shape, GptDevice.Cpu, seed: 3)), EveryTrainer.Letters);
}
