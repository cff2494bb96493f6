using TorchSharp;

namespace MLNet.Gpt.Trainers.Tests.Runs;

[TestClass]
public sealed class UpdateStepTests
{
    [TestMethod]
    public void Each_micro_batch_has_draws_of_its_own_whatever_else_draws_in_the_process()
    {
        using var fixture = new TrainingFixture();
        ulong[] keys = Keys(fixture, otherDraws: 1);
        CollectionAssert.AreEqual(keys, Keys(fixture, otherDraws: 2));
        CollectionAssert.AllItemsAreUnique(keys, "two draws of three micro-batches of two updates");
    }

    private static ulong[] Keys(TrainingFixture fixture, long otherDraws)
    {
        using GptNetwork network = new(TrainingFixture.Config, GptDevice.Cpu, TrainingFixture.Seed);
        RunSettings settings = fixture.Options.Settings(evaluates: false);
        using var run = new TrainingRun(TrainingFixture.Model(network), settings, folder: null, resumed: null, fixture.Log.Add);
        using var updates = new UpdateStep<int>(run, network, settings, TrainingFixture.Seed, losses: 1, fixture.Log.Add) { Source = static _ => "", Documents = static _ => [] };
        var keys = new List<ulong>();
        for (int step = 0; step < 2; step++)
        {
            using UpdateStep<int>.Scope update = updates.Begin();
            for (int i = 0; i < 3; i++)
            {
                using UpdateStep<int>.MicroBatch part = updates.Part(2, 16);
                torch.manual_seed(otherDraws);
                keys.Add(DropoutDraws.NextKey());
                keys.Add(DropoutDraws.NextKey());
            }

            run.State = run.State with { Step = run.State.Step + 1 };
        }

        return [.. keys];
    }
}
