namespace MLNet.Gpt.Trainers.Tests.Runs;

[TestClass]
public sealed class LossSpikesTests
{
    [TestMethod]
    public void A_loss_is_measured_in_deviations_of_those_before_it()
    {
        // Ten of 2 and ten of 4: mean 3, deviation 1.
        double[] recent = [.. Enumerable.Range(0, 20).Select(static i => i % 2 == 0 ? 2.0 : 4.0)];
        Assert.AreEqual(5, LossSpikes.DeviationsAbove(recent, 8)!.Value, 1e-12);
        Assert.AreEqual(-2, LossSpikes.DeviationsAbove(recent, 1)!.Value, 1e-12);
        Assert.IsNull(LossSpikes.DeviationsAbove(recent[1..], 8), "too few to say");
        // Twenty of 5: no deviation, of which a hundredth of the mean, 0.05, takes the place.
        Assert.AreEqual(2, LossSpikes.DeviationsAbove([.. Enumerable.Repeat(5.0, 20)], 5.1)!.Value, 1e-9);
    }

    [TestMethod]
    public void The_oldest_loss_gives_way_to_the_newest()
    {
        IReadOnlyList<double> recent = [];
        for (int i = 0; i < 130; i++) recent = LossSpikes.With(recent, i);
        CollectionAssert.AreEqual(Enumerable.Range(30, 100).Select(static i => (double)i).ToArray(), recent.ToArray());
    }

    [TestMethod]
    public void A_spike_is_counted_and_logged_with_its_documents_and_0_switches_the_warning_off()
    {
        using var fixture = new TrainingFixture();
        // A rate that leaps at step 25 of a run that had learnt: the warm-up's last step is 300 times its first.
        LanguageModelOptions options = fixture.Options with { MaxSteps = 120, Optimizer = new() { LearningRate = 0.5, MinLearningRate = 0.5, WarmupSteps = 110, GradientClipNorm = 0 }, Evaluation = fixture.Options.Evaluation with { Interval = 0 }, Run = fixture.Options.Run with { LossSpikeDeviations = 3 } };
        PretrainingResult result = fixture.Train(options).Result;
        int spikes = result.History.Sum(static p => p.LossSpikes);
        Assert.IsGreaterThan(0, spikes);
        Assert.AreEqual(spikes, fixture.Log.Count(static line => line.Contains("is a spike", StringComparison.Ordinal) && line.Contains("document", StringComparison.Ordinal)));
        Assert.AreEqual(0, fixture.Train(options with { Run = options.Run with { LossSpikeDeviations = 0 } }).Result.History.Sum(static p => p.LossSpikes));
    }

    [TestMethod]
    public void A_resumed_run_measures_its_losses_by_those_from_before()
    {
        // Any loss 0.01 deviations above the mean counts, once there are 20 before it.
        using var untouched = new TrainingFixture();
        LanguageModelOptions options = untouched.Options with { Optimizer = new() { LearningRate = 1e-5, WarmupSteps = 0 }, Run = untouched.Options.Run with { LossSpikeDeviations = 0.01 } };
        int[] whole = [.. untouched.Train(options, toFolder: true).Result.History.Select(static p => p.LossSpikes)];
        Assert.AreEqual(0, whole[..20].Sum());
        Assert.IsGreaterThan(0, whole[24..].Sum(), "spikes after step 24, or the test shows nothing");
        using var fixture = new TrainingFixture();
        using var cancel = new CancellationTokenSource();
        fixture.Train(options with { Run = options.Run with { CancellationToken = cancel.Token, Progress = p => { if (p.Step == 24) cancel.Cancel(); } } }, toFolder: true);
        CollectionAssert.AreEqual(whole, fixture.Train(options with { Run = options.Run with { Resume = true } }, toFolder: true).Result.History.Select(static p => p.LossSpikes).ToArray());
    }
}
