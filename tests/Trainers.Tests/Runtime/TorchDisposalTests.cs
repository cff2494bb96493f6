using MLNet.Gpt.Core.Tests.Engine;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Runtime;

[TestClass]
public sealed class TorchDisposalTests
{
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz .!"]);
    private static readonly GptConfig Config = new() { VocabularySize = Letters.VocabularySize, ContextLength = 32, EmbeddingSize = 16, LayerCount = 1, HeadCount = 2 };

    [TestMethod]
    [DataRow("model")]
    [DataRow("adapted")]
    [DataRow("classifier")]
    public void What_owns_native_memory_may_be_disposed_while_other_threads_use_it(string race) => TestProgram.Run(TorchDisposalRaces.Command, race);

    [TestMethod]
    public void A_decoder_goes_on_after_its_model_is_disposed_and_the_weights_go_with_it()
    {
        var model = new TorchCausalModel(new GptNetwork(Config, GptDevice.Cpu, seed: 1));
        float[] before = new float[Config.VocabularySize], after = new float[before.Length];
        using (ICausalDecoder decoder = model.BeginDecoding(1, 2)) decoder.Append([1, 2], [], LogitsScope.LastPosition, before);
        ICausalDecoder late = model.BeginDecoding(1, 2);
        Tensor weights = model.Network.Parameters.Master;
        model.Dispose();
        late.Append([1, 2], [], LogitsScope.LastPosition, after);
        CollectionAssert.AreEqual(before, after);
        Assert.IsFalse(weights.IsInvalid);
        late.Dispose();
        Assert.IsTrue(weights.IsInvalid);
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.BeginDecoding(1, 2));
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.ComputeHiddenStates([1], 1, new float[Config.EmbeddingSize]));
        Assert.ThrowsExactly<ObjectDisposedException>(() => late.Append([1], [], LogitsScope.LastPosition, after));
    }
}
