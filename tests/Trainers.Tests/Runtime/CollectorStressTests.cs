using MLNet.Gpt.Core.Tests.Engine;

namespace MLNet.Gpt.Trainers.Tests.Runtime;

[TestClass]
public sealed class CollectorStressTests
{
    [TestMethod]
    [DataRow("arithmetic")]
    [DataRow(nameof(GptPrecision.Float32))]
    [DataRow(nameof(GptPrecision.BFloat16))]
    public void Results_are_the_same_whenever_the_garbage_collector_runs(string computation) => TestProgram.Run(CollectorStress.Command, computation);

    [TestMethod]
    public void Threads_may_use_the_masks_of_more_lengths_than_a_network_keeps() => TestProgram.Run(CollectorStress.Command, "masks");
}
