namespace MLNet.Gpt.Trainers.Tests.Runs;

[TestClass]
public sealed class AveragedWeightsTests
{
    [TestMethod]
    public void The_average_follows_its_recursion()
    {
        using GptNetwork network = new(TrainingFixture.Config, GptDevice.Cpu, TrainingFixture.Seed);
        using var average = new AveragedWeights([network.Parameters], 0.3);
        float[] w0 = [.. network.Parameters.Master.data<float>()];
        // Decay after update 1: min(0.3, 2/11); after update 8: min(0.3, 9/18) = 0.3.
        double[] expected = [.. w0.Select(static w => (double)w)];
        foreach ((int step, double decay) in ((int, double)[])[(1, 2.0 / 11), (8, 0.3)])
        {
            using (TorchSharp.torch.no_grad()) network.Parameters.Master.add_(1f);
            average.Update(step);
            float[] w = [.. network.Parameters.Master.data<float>()];
            for (int i = 0; i < w.Length; i++) expected[i] = (decay * expected[i]) + ((1 - decay) * w[i]);
        }

        float[] values = [.. average.Values[0].data<float>()];
        for (int i = 0; i < values.Length; i++) Assert.AreEqual(expected[i], values[i], 1e-6);   // float32 rounding of numbers below 3
    }

    [TestMethod]
    public void The_averages_are_evaluated_saved_and_returned_and_training_goes_on_with_the_weights()
    {
        using var fixture = new TrainingFixture();
        (float[] plain, PretrainingResult without) = fixture.Train(fixture.Options);
        (float[] averaged, PretrainingResult with) = fixture.Train(fixture.Options with { Run = fixture.Options.Run with { AverageDecay = 0.9 } }, toFolder: true);
        CollectionAssert.AreEqual(without.History.Select(static p => p.Loss).ToArray(), with.History.Select(static p => p.Loss).ToArray(), "averaging does not touch training");
        Assert.AreNotEqual(without.ValidationLoss, with.ValidationLoss);
        CollectionAssert.AreNotEqual(plain, averaged);
        using GptCheckpoint last = GptCheckpoint.Open(with.LastCheckpoint!);
        using GptNetwork network = GptNetwork.FromWeights(last, GptDevice.Cpu);
        CollectionAssert.AreEqual(averaged, network.Parameters.Master.data<float>().ToArray());
        Assert.AreEqual(with.ValidationLoss!.Value, Evaluation.MeanLoss(network, fixture.ValidationRows, null, 4, default), 1e-12);
    }

    [TestMethod]
    public void A_run_averages_the_weights_after_each_of_its_updates()
    {
        // The weights after 0, 1, 2 and 3 updates, and from them the average: decays min(0.3, 2/11), min(0.3, 3/12) and min(0.3, 4/13).
        using var fixture = new TrainingFixture();
        LanguageModelOptions options = fixture.Options with { Optimizer = fixture.Options.Optimizer with { WarmupSteps = 0, DecaySteps = 30 }, Evaluation = fixture.Options.Evaluation with { Interval = 0 } };
        using GptNetwork begin = new(TrainingFixture.Config, GptDevice.Cpu, TrainingFixture.Seed);
        double[] expected = [.. begin.Parameters.Master.data<float>().Select(static w => (double)w)];
        foreach ((int step, double decay) in ((int, double)[])[(1, 2.0 / 11), (2, 0.25), (3, 0.3)])
        {
            float[] weights = fixture.Train(options with { MaxSteps = step }).Weights;
            for (int i = 0; i < weights.Length; i++) expected[i] = (decay * expected[i]) + ((1 - decay) * weights[i]);
        }

        float[] averaged = fixture.Train(options with { MaxSteps = 3, Run = options.Run with { AverageDecay = 0.3 } }).Weights;
        for (int i = 0; i < averaged.Length; i++) Assert.AreEqual(expected[i], averaged[i], 1e-6);   // float32 rounding of numbers below 2
    }

    [TestMethod]
    public void An_averaged_run_resumes_bit_for_bit()
    {
        using var untouched = new TrainingFixture();
        LanguageModelOptions options = untouched.Options with { Evaluation = untouched.Options.Evaluation with { ReturnBest = true }, Run = untouched.Options.Run with { AverageDecay = 0.95 } };
        (float[] weights, PretrainingResult whole) = untouched.Train(options, toFolder: true);
        using var fixture = new TrainingFixture();
        using var cancel = new CancellationTokenSource();
        fixture.Train(options with { Run = options.Run with { CancellationToken = cancel.Token, Progress = p => { if (p.Step == 17) cancel.Cancel(); } } }, toFolder: true);
        (float[] resumed, PretrainingResult rest) = fixture.Train(options with { Run = options.Run with { Resume = true } }, toFolder: true);
        CollectionAssert.AreEqual(whole.History.Select(static p => (p.Loss, p.ValidationLoss)).ToArray(), rest.History.Select(static p => (p.Loss, p.ValidationLoss)).ToArray());
        CollectionAssert.AreEqual(weights, resumed);
        Assert.ThrowsExactly<ResumeMismatchException>(() => fixture.Train(options with { Run = options.Run with { AverageDecay = 0, Resume = true } }, toFolder: true));
    }
}
