using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Runs;

[TestClass]
public sealed class UpdateStepTests
{
    [TestMethod]
    public void What_a_micro_batch_draws_does_not_hang_on_the_blocks_that_the_one_before_computed_again()
    {
        using var fixture = new TrainingFixture();
        float[][] kept = Draws(fixture, checkpointing: false), again = Draws(fixture, checkpointing: true);
        for (int i = 0; i < kept.Length; i++) CollectionAssert.AreEqual(kept[i], again[i], $"micro-batch {i}");
        Assert.HasCount(6, kept.Select(static draws => draws[0]).Distinct(), "three micro-batches of two updates");
    }

    /// <summary>Numbers drawn at the beginning of each micro-batch, of which each goes forward and backward through two blocks with dropout.</summary>
    private static float[][] Draws(TrainingFixture fixture, bool checkpointing)
    {
        LanguageModelOptions options = fixture.Options;
        using GptNetwork network = new(TrainingFixture.Config, GptDevice.Cpu, TrainingFixture.Seed) { Dropout = new() { Residual = 0.5f }, ActivationCheckpointing = checkpointing };
        RunSettings settings = options.Settings(evaluates: false);
        using var run = new TrainingRun(TrainingFixture.Model(network), settings, folder: null, resumed: null, fixture.Log.Add);
        using var updates = new UpdateStep<int>(run, network, settings, TrainingFixture.Seed, losses: 1, immediate: null, fixture.Log.Add) { Source = static _ => "", Documents = static _ => [] };
        var draws = new List<float[]>();
        for (int step = 0; step < 2; step++)
        {
            using UpdateStep<int>.Scope update = updates.Begin();
            for (int i = 0; i < 3; i++)
            {
                using UpdateStep<int>.MicroBatch part = updates.Part(2, 16);
                draws.Add([.. rand(4).data<float>()]);
                network.Hidden(ones(2, 16, ScalarType.Int64)).sum().backward();
            }

            run.State = run.State with { Step = run.State.Step + 1 };
        }

        return [.. draws];
    }
}
