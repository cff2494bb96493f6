using Microsoft.ML;

namespace MLNet.Gpt.EndToEnd.Tests;

[TestClass]
public sealed class ResumeTests
{
    [TestMethod]
    public void Fitting_again_with_Resume_continues_a_cancelled_run_to_the_same_losses()
    {
        using var folder = new TemporaryFolder();
        LanguageModelOptions options = SmallModel.Options with { MaxSteps = 24, Evaluation = SmallModel.Options.Evaluation with { Interval = 8, ReturnBest = false }, Run = SmallModel.Options.Run with { LogInterval = 1 } };
        using GptLanguageModelTransformer whole = SmallModel.Train(new MLContext(seed: 1), options with { Run = options.Run with { Folder = folder["whole"] } });

        using var cancel = new CancellationTokenSource();
        LanguageModelOptions first = options with { Run = options.Run with { Folder = folder["run"], CancellationToken = cancel.Token, Progress = p => { if (p.Step == 10) cancel.Cancel(); } } };
        SmallModel.Train(new MLContext(seed: 1), first).Dispose();

        // Another context, without a seed: the run's own is in its checkpoint.
        using GptLanguageModelTransformer rest = SmallModel.Train(new MLContext(), options with { Run = options.Run with { Folder = folder["run"], Resume = true } });
        CollectionAssert.AreEqual(whole.Training.History.Select(static p => p.Loss).ToArray(), rest.Training.History.Select(static p => p.Loss).ToArray());
        Assert.AreEqual(whole.Training.ValidationLoss, rest.Training.ValidationLoss);
        Assert.AreEqual(whole.Model.Generate("the cat", new() { Temperature = 0 }), rest.Model.Generate("the cat", new() { Temperature = 0 }));
        var error = Assert.ThrowsExactly<ResumeMismatchException>(() => SmallModel.Train(new MLContext(), options with { BatchSize = 4, Run = options.Run with { Folder = folder["run"], Resume = true } }));
        CollectionAssert.Contains(error.Differences.ToArray(), "BatchSize");
    }
}
