using Microsoft.ML;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Core.Tests.Engine;

namespace MLNet.Gpt.Transforms.Tests.Engine;

[TestClass]
public sealed class OnnxDisposalTests
{
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly OnnxEngineOptions OneThread = new() { ThreadCount = 1 };

    [TestMethod]
    public void A_model_may_be_disposed_while_other_threads_generate_stream_embed_score_decode_and_read_a_column()
    {
        using var folder = new TemporaryFolder();
        string package = TestModels.WritePackage(folder);
        IDataView rows = Ml.Data.LoadFromEnumerable([new Row { Text = "ab" }, new Row { Text = "c" }]);
        int[] done = DisposalRace.Run(1_000, () => new GptModel(OnnxCausalModel.Load(package, GptDevice.Cpu, OneThread), TestModels.Letters),
            static model => model.Generate(["ab", "c"], new() { MaxNewTokens = 2, StopAtEndOfText = false }),
            static model => _ = string.Concat(model.GenerateStreaming("ab", new() { MaxNewTokens = 2, StopAtEndOfText = false }).ToBlockingEnumerable()),
            static model => model.Embed(["ab", "c"]),
            static model => model.Score("abc"),
            static model => Decode(model.Engine),
            model => _ = Ml.Data.CreateEnumerable<Answered>(Ml.Gpt().Transforms.GenerateText("Answer", "Text", model, new() { MaxNewTokens = 2 }).Fit(rows).Transform(rows), reuseRowObject: false).Count());
        Assert.IsGreaterThan(0, done.Min(), string.Join(' ', done));
    }

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

    [TestMethod]
    public void A_decoder_may_be_disposed_while_another_thread_appends()
    {
        using var folder = new TemporaryFolder();
        using OnnxCausalModel model = OnnxCausalModel.Load(TestModels.WritePackage(folder), GptDevice.Cpu, OneThread);
        float[] logits = new float[model.Config.VocabularySize];
        DisposalRace.Run(1_000, () => model.BeginDecoding(1, 32), decoder =>
        {
            if (decoder.Length < 32) decoder.Append([1], [], LogitsScope.LastPosition, logits);
            else decoder.SelectRows([0]);
        });
    }

    [TestMethod]
    public void A_classifier_may_be_disposed_while_other_threads_classify()
    {
        using var folder = new TemporaryFolder();
        string package = TestModels.WriteClassifier(folder);
        int[] done = DisposalRace.Run(1_000, () => new GptClassifier(OnnxTextClassifier.Load(package, GptDevice.Cpu, OneThread), TestModels.Letters),
            static model => model.Classify("abc"), static model => model.Classify([["a"], ["hello"]]), static model => model.Engine.Run([1, 2, 3], [3], new float[3]));
        Assert.IsGreaterThan(0, done.Min(), string.Join(' ', done));
    }

    private static void Decode(ICausalModel model)
    {
        using ICausalDecoder decoder = model.BeginDecoding(2, 4);
        float[] logits = new float[2 * model.Config.VocabularySize];
        decoder.Append([1, 2, 3, 4], [], LogitsScope.LastPosition, logits);
        decoder.SelectRows([1, 0]);
        decoder.Append([5, 6], [], LogitsScope.LastPosition, logits);
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";
    }

    private sealed class Answered
    {
        public string Answer { get; set; } = "";
    }
}
