using Microsoft.ML;

namespace MLNet.Gpt.Trainers.Tests.Runs;

/// <summary>The columns that a fitted transformer adds are checked when the trainer is made, not when the model has been trained.</summary>
[TestClass]
public sealed class OutputColumnTests
{
    private static readonly GptTrainersCatalog Trainers = new MLContext(seed: 1).Gpt().Trainers;

    [TestMethod]
    public void Columns_that_share_a_name_are_refused_before_anything_is_trained()
    {
        using GptModel pretrained = Pretrained();
        GenerateTextOptions generation = new() { FinishReasonColumnName = "Answer" };
        foreach (Action make in (Action[])
        [
            () => Trainers.SupervisedFineTuning("Answer", "Text", "Completion", new() { Pretrained = pretrained, Generation = generation }),
            () => Trainers.SupervisedFineTuning("Answer", "Conversation", new SupervisedFineTuningOptions { Pretrained = pretrained, Generation = generation }),
            () => Trainers.DirectPreference("Answer", "Text", "Completion", "Other", new() { Pretrained = pretrained, Generation = generation }),
            () => Trainers.PolicyOptimization("Text", PolicyOptions(pretrained, generation), "Answer"),
            () => Trainers.TextClassification("Key", "Text", new SupervisedTaskOptions { Pretrained = pretrained }, "PredictedLabel"),
            () => Trainers.SentenceSimilarity("Likeness", "Text", "Other", new SupervisedTaskOptions { Pretrained = pretrained, Scoring = new() { DroppedTokenCountColumnName = "Score" } }),
        ]) StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(make).Message, "give each column a name of its own");

        // A regression predicts no label.
        Trainers.SentenceSimilarity("Likeness", "Text", "Other", new SupervisedTaskOptions { Pretrained = pretrained }, scoreColumnName: "PredictedLabel");
    }

    [TestMethod]
    public void More_than_one_text_for_a_row_is_refused_before_anything_is_trained()
    {
        using GptModel pretrained = Pretrained();
        GenerateTextOptions generation = new() { SamplesPerPrompt = 2 };
        foreach (Action make in (Action[])
        [
            () => Trainers.SupervisedFineTuning("Answer", "Text", "Completion", new() { Pretrained = pretrained, Generation = generation }),
            () => Trainers.DirectPreference("Answer", "Text", "Completion", "Other", new() { Pretrained = pretrained, Generation = generation }),
            () => Trainers.PolicyOptimization("Text", PolicyOptions(pretrained, generation)),
        ]) StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentException>(make).Message, "SamplesPerPrompt is 2, and a row has room for one text");
    }

    private static PolicyOptimizationOptions PolicyOptions(GptModel pretrained, GenerateTextOptions generation) =>
        new() { Pretrained = pretrained, Reward = new() { Sources = [PolicyReward.Of(static (_, response) => response.Length)] }, Generation = generation };

    private static GptModel Pretrained() => new(new TorchCausalModel(new GptNetwork(EveryTrainer.Shape, GptDevice.Cpu, seed: 3)), EveryTrainer.Letters);
}
