namespace MLNet.Gpt.Trainers.Tests.Tasks;

/// <summary>GPT-1's fine-tuning: Adam with β2 = 0.999, a linear warm-up over 0.2 % of the updates, then linearly to 0.</summary>
[TestClass]
public sealed class TaskOptimizerTests
{
    [TestMethod]
    public void The_optimizer_has_the_tasks_options_and_Adams_own_second_beta()
    {
        TaskOptimizerOptions options = new() { LearningRate = 0.5, WeightDecay = 0.25, GradientClipNorm = 2 };
        Assert.AreEqual(new AdamWOptions { LearningRate = 0.5, WarmupSteps = 0, Beta1 = 0.9, Beta2 = 0.999, Epsilon = 1e-8, WeightDecay = 0.25, GradientClipNorm = 2 }, options.ToAdamW());
    }

    [TestMethod]
    public void The_rate_rises_over_the_share_of_the_updates_rounded_up_and_falls_to_0()
    {
        // 0.002 · 1,200 = 2.4: three updates of the way up.
        TaskOptimizerOptions options = new() { LearningRate = 1, WarmupFraction = 0.002 };
        foreach ((int step, double rate) in ((int, double)[])[(0, 0.25), (1, 0.5), (2, 0.75), (3, 1), (4, 1196.0 / 1197), (1_199, 1.0 / 1197), (1_200, 0)]) Assert.AreEqual(rate, options.RateAt(step, 1_200), 1e-12, $"step {step}");
        Assert.AreEqual(1, (options with { WarmupFraction = 0 }).RateAt(0, 1_200));
    }

    [TestMethod]
    public void The_shortest_runs_reach_the_rate_too()
    {
        // The way up of a run of one update would be all of it, and the update have half the rate; of two updates the first has half, the second all of it, and 0 comes behind it.
        TaskOptimizerOptions options = new() { LearningRate = 1, WarmupFraction = 0.002 };
        Assert.AreEqual(1, options.RateAt(0, 1));
        foreach ((int step, double rate) in ((int, double)[])[(0, 0.5), (1, 1), (2, 0)]) Assert.AreEqual(rate, options.RateAt(step, 2), 1e-12, $"step {step}");

        // 0.95 · 4 is four updates, of which the last is none of the way up: quarters of it.
        foreach ((int step, double rate) in ((int, double)[])[(0, 0.25), (1, 0.5), (2, 0.75), (3, 1)]) Assert.AreEqual(rate, (options with { WarmupFraction = 0.95 }).RateAt(step, 4), 1e-12, $"step {step}");
    }
}
