using MLNet.Gpt.Core.Tests.Engine;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Runtime;

[TestClass]
public sealed class TorchDisposalTests
{
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz .!"]);
    private static readonly GptConfig Config = new() { VocabularySize = Letters.VocabularySize, ContextLength = 32, EmbeddingSize = 16, LayerCount = 1, HeadCount = 2 };

    private static readonly Action<GptModel>[] Uses =
    [
        static model => model.Generate(["ab", "c"], new() { MaxNewTokens = 2, StopAtEndOfText = false }),
        static model => _ = string.Concat(model.GenerateStreaming("ab", new() { MaxNewTokens = 2, StopAtEndOfText = false }).ToBlockingEnumerable()),
        static model => model.Embed(["ab", "c"]),
        static model => model.Score("abc"),
    ];

    [TestMethod]
    public void A_model_may_be_disposed_while_other_threads_generate_stream_embed_and_score()
    {
        int[] done = DisposalRace.Run(1_000, static () => new GptModel(new TorchCausalModel(new GptNetwork(Config, GptDevice.Cpu, seed: 1)), Letters), Uses);
        Assert.IsGreaterThan(0, done.Min(), string.Join(' ', done));
    }

    [TestMethod]
    public void An_adapted_model_and_its_base_may_be_disposed_while_both_are_used()
    {
        var network = new GptNetwork(Config, GptDevice.Cpu, seed: 1);
        using var whole = new GptModel(new TorchCausalModel(network), Letters);
        string expected = whole.Generate("ab", new() { MaxNewTokens = 4, Temperature = 0, StopAtEndOfText = false });
        int[] done = DisposalRace.Run(1_000, () =>
        {
            LoraAdapter adapter = LoraAdapter.Create(Config, new LoraOptions { Rank = 2 }, CPU, trainable: false, out FlatParameters _);
            return new GptModel(new TorchCausalModel(network.Share(adapter)), Letters);
        }, Uses);
        Assert.IsGreaterThan(0, done.Min(), string.Join(' ', done));
        Assert.AreEqual(expected, whole.Generate("ab", new() { MaxNewTokens = 4, Temperature = 0, StopAtEndOfText = false })); // the shared weights are whole
    }

    [TestMethod]
    public void A_classifier_may_be_disposed_while_other_threads_classify()
    {
        var head = new ClassifierHead { Task = SupervisedTask.TextClassification, Labels = ["red", "green"] };
        int[] done = DisposalRace.Run(1_000, () => new GptClassifier(new TorchTextClassifier(new TaskNetwork(new GptNetwork(Config, GptDevice.Cpu, seed: 1), head, trainable: false)), Letters),
            static model => model.Classify("abc"), static model => model.Classify([["a"], ["hello"]]));
        Assert.IsGreaterThan(0, done.Min(), string.Join(' ', done));
    }

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
