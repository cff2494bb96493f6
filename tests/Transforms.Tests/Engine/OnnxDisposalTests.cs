using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Core.Tests.Engine;

namespace MLNet.Gpt.Transforms.Tests.Engine;

[TestClass]
public sealed class OnnxDisposalTests
{
    [TestMethod]
    [DataRow("model")]
    [DataRow("decoder")]
    [DataRow("classifier")]
    public void What_owns_native_memory_may_be_disposed_while_other_threads_use_it(string race) => TestProgram.Run(OnnxDisposalRaces.Command, race);

    [TestMethod]
    public void A_decoder_goes_on_after_its_engine_is_disposed()
    {
        using var folder = new TemporaryFolder();
        OnnxCausalModel model = OnnxCausalModel.Load(TestModels.WritePackage(folder), GptDevice.Cpu);
        float[] before = new float[model.Config.VocabularySize], after = new float[before.Length];
        using (ICausalDecoder decoder = model.BeginDecoding(1, 2)) decoder.Append([1, 2], [], LogitsScope.LastPosition, before);
        using ICausalDecoder late = model.BeginDecoding(1, 2);
        model.Dispose();
        late.Append([1, 2], [], LogitsScope.LastPosition, after);
        CollectionAssert.AreEqual(before, after);
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.BeginDecoding(1, 2));
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.ComputeHiddenStates([1], 1, new float[model.Config.EmbeddingSize]));
    }
}
