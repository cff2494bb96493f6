using TorchSharp;

namespace MLNet.Gpt.Trainers.Tests.Pretraining;

/// <summary>What a GPU does without being waited for, done on a CPU.</summary>
[TestClass]
public sealed class DeferredUpdateTests
{
    [TestMethod]
    public void Deferred_updates_train_as_immediate_ones_do()
    {
        using var fixture = new TrainingFixture();
        LanguageModelOptions options = fixture.Options with { Run = fixture.Options.Run with { LogInterval = 4 } };
        (float[] weights, PretrainingResult immediate) = fixture.Train(options);
        (float[] deferredWeights, PretrainingResult deferred) = fixture.Train(options, immediate: false);
        CollectionAssert.AreEqual(immediate.History.Select(static p => p.Step).ToArray(), deferred.History.Select(static p => p.Step).ToArray());
        // The same sums; scalars that one side computes in float64 the other multiplies in as float32.
        for (int i = 0; i < immediate.History.Count; i++) Assert.AreEqual(immediate.History[i].Loss, deferred.History[i].Loss, 2e-4);
        for (int i = 0; i < weights.Length; i++) Assert.AreEqual(weights[i], deferredWeights[i], 2e-3);
    }

    [TestMethod]
    public void A_deferred_run_resumes_bit_for_bit()
    {
        using var untouched = new TrainingFixture();
        LanguageModelOptions options = untouched.Options with { Run = untouched.Options.Run with { LogInterval = 4 } };
        (float[] weights, PretrainingResult whole) = untouched.Train(options, toFolder: true, immediate: false);
        using var fixture = new TrainingFixture();
        using var cancel = new CancellationTokenSource();
        fixture.Train(options with { Run = options.Run with { CancellationToken = cancel.Token } }, toFolder: true, immediate: false, stepStarting: step => { if (step == 16) cancel.Cancel(); });
        (float[] resumed, PretrainingResult rest) = fixture.Train(options with { Run = options.Run with { Resume = true } }, toFolder: true, immediate: false);
        CollectionAssert.AreEqual(whole.History.Select(static p => (p.Step, p.Loss)).ToArray(), rest.History.Select(static p => (p.Step, p.Loss)).ToArray());
        CollectionAssert.AreEqual(weights, resumed);
    }

    [TestMethod]
    public void An_update_that_is_not_finite_changes_nothing_and_the_others_are_those_of_a_run_without_it()
    {
        using GptNetwork left = new(TrainingFixture.Config, GptDevice.Cpu, 1), right = new(TrainingFixture.Config, GptDevice.Cpu, 1);
        using var leftOptimizer = new AdamW(left.Parameters, new());
        using var rightOptimizer = new AdamW(right.Parameters, new());
        using var scope = torch.NewDisposeScope();
        int made = 0;
        foreach (float bad in (float[])[float.NaN, 0, float.PositiveInfinity, 0, float.NegativeInfinity])
        {
            if (bad == 0) made++;
            if (bad == 0) Step(left, leftOptimizer, made, bad);
            float[] weights = Values(right.Parameters.Master), first = Values(rightOptimizer.FirstMoment), second = Values(rightOptimizer.SecondMoment);
            Step(right, rightOptimizer, made + 1 - (bad == 0 ? 1 : 0), bad);
            if (bad == 0) continue;
            CollectionAssert.AreEqual(weights, Values(right.Parameters.Master));
            CollectionAssert.AreEqual(first, Values(rightOptimizer.FirstMoment));
            CollectionAssert.AreEqual(second, Values(rightOptimizer.SecondMoment));
        }

        CollectionAssert.AreEqual(Values(left.Parameters.Master), Values(right.Parameters.Master));
        leftOptimizer.Confirm(2);
        rightOptimizer.Confirm(2);
        Assert.AreEqual(leftOptimizer.StepCount, rightOptimizer.StepCount);

        static void Step(GptNetwork network, AdamW optimizer, int number, float bad)
        {
            using var noGradient = torch.no_grad();
            network.Parameters.GradientSum.fill_(0.01f * number);
            if (bad != 0) network.Parameters.GradientSum.narrow(0, 5, 1).fill_(bad);
            optimizer.StepIfFinite(1e-3, network.Parameters.GradientSum.norm(), torch.tensor(3f));
        }

        static float[] Values(torch.Tensor tensor) => [.. tensor.data<float>()];
    }

    [TestMethod]
    public void A_loss_that_is_not_finite_leaves_its_update_out_too()
    {
        using GptNetwork network = new(TrainingFixture.Config, GptDevice.Cpu, 1);
        using var optimizer = new AdamW(network.Parameters, new());
        using var scope = torch.NewDisposeScope();
        float[] before = [.. network.Parameters.Master.data<float>()];
        using (torch.no_grad()) network.Parameters.GradientSum.fill_(0.01f);
        optimizer.StepIfFinite(1e-3, network.Parameters.GradientSum.norm(), torch.tensor(float.PositiveInfinity));
        CollectionAssert.AreEqual(before, network.Parameters.Master.data<float>().ToArray());
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void A_checkpoint_right_after_a_skipped_update_resumes_bit_for_bit(bool immediate)
    {
        (float[] Weights, double[] Losses) Train(bool stop)
        {
            using var fixture = new TrainingFixture();
            using GptNetwork network = new(TrainingFixture.Config, GptDevice.Cpu, TrainingFixture.Seed) { Dropout = fixture.Options.Run.Dropout! };
            RunFolder folder = fixture.RunFolder(fixture.Options);
            Directory.CreateDirectory(folder.Path);
            using var cancel = new CancellationTokenSource();
            var loop = new PretrainingLoop(TrainingFixture.Model(network), fixture.TrainingRows, fixture.ValidationRows, fixture.Options with { Run = fixture.Options.Run with { CancellationToken = cancel.Token, ImmediateUpdates = immediate } }, TrainingFixture.Seed, folder, fixture.Log.Add)
            {
                StepStarting = step =>
                {
                    if (step != 6) return;
                    using (torch.no_grad())
                    using (torch.NewDisposeScope()) network.Parameters.GradientSum.narrow(0, 3, 1).fill_(float.PositiveInfinity);   // into the seventh update
                    if (stop) cancel.Cancel();
                },
            };
            PretrainingResult result = loop.Run(null);
            Assert.AreEqual(1, result.SkippedUpdates);
            if (!stop) return ([.. network.Parameters.Master.data<float>()], [.. result.History.Select(static p => p.Loss)]);
            Assert.AreEqual(7, result.Steps);
            (float[] weights, PretrainingResult rest) = fixture.Train(fixture.Options with { Run = fixture.Options.Run with { Resume = true } }, toFolder: true, immediate: immediate);
            Assert.AreEqual(1, rest.SkippedUpdates);
            return (weights, [.. rest.History.Select(static p => p.Loss)]);
        }

        (float[] whole, double[] losses) = Train(stop: false);
        (float[] resumed, double[] resumedLosses) = Train(stop: true);
        CollectionAssert.AreEqual(losses, resumedLosses);
        CollectionAssert.AreEqual(whole, resumed);
    }

    [TestMethod]
    public void Skipped_updates_are_named_at_the_next_report_and_the_limit_stops_the_run_there()
    {
        using var fixture = new TrainingFixture();
        using GptNetwork network = new(TrainingFixture.Config, GptDevice.Cpu, TrainingFixture.Seed);
        using (torch.no_grad())
        using (torch.NewDisposeScope()) network.Parameters.ViewOf(network.Parameters.Master, "wpe.weight").fill_(float.NaN);
        int last = 0;
        var loop = new PretrainingLoop(TrainingFixture.Model(network), fixture.TrainingRows, null, fixture.Options with { Evaluation = fixture.Options.Evaluation with { Interval = 0 }, Run = fixture.Options.Run with { MaxSkippedUpdates = 2, LogInterval = 5, ImmediateUpdates = false } }, TrainingFixture.Seed, null, fixture.Log.Add)
        {
            StepStarting = step => last = step,
        };
        var error = Assert.ThrowsExactly<TrainingDivergedException>(() => loop.Run(null));
        Assert.AreEqual(3, error.Step, "the step is named exactly");
        Assert.AreEqual(4, last, "five updates had been asked for");
        Assert.AreNotEqual(0, error.Documents.Count);
        Assert.AreEqual(3, fixture.Log.Count(static line => line.Contains("skipped", StringComparison.Ordinal)));
    }
}
