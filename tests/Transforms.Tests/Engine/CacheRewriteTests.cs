using Microsoft.ML.OnnxRuntime;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests.Engine;

/// <summary>The change that a model's file goes through for CUDA, on the CPU: another attention, the same numbers.</summary>
[TestClass]
public sealed class CacheRewriteTests
{
    private static readonly GptConfig Config = new() { VocabularySize = 97, ContextLength = 24, EmbeddingSize = 48, LayerCount = 2, HeadCount = 3, AttentionPattern = GptAttentionPattern.AlternatingDenseAndBanded, AttentionBandWidth = 3 };

    [TestMethod]
    [DataRow(0L)]
    [DataRow(1_500_000_000L)]
    public void A_model_with_two_buffers_in_the_place_of_one_decodes_the_same(long threshold)
    {
        using TestPackage package = TestPackage.Of(Config, new OnnxExportOptions { ExternalDataThresholdBytes = threshold });
        Assert.IsTrue(OnnxFileScan.Scan(package.ModelPath).SharesCache);
        float[] expected = Decode(package, shared: true);
        byte[] changed = CacheRewrite.WithTwoBuffers(File.ReadAllBytes(package.ModelPath));
        File.WriteAllBytes(package.ModelPath, changed);
        Assert.IsFalse(changed.AsSpan().IndexOf("GroupQueryAttention"u8) >= 0);
        package.Replace(OnnxPackageLayout.ModelFile, "mlnet.gpt.cache"u8, "mlnet.gpt.other"u8); // so that it is opened with two buffers here too
        Logits.AreClose(expected, Decode(package, shared: false));
    }

    [TestMethod]
    public void A_model_without_that_attention_stays_as_it_is()
    {
        using TestPackage package = TestPackage.Of(Config with { HeadCount = 4 });
        Assert.IsFalse(OnnxFileScan.Scan(package.ModelPath).SharesCache);
        byte[] bytes = File.ReadAllBytes(package.ModelPath);
        CollectionAssert.AreEqual(bytes, CacheRewrite.WithTwoBuffers(bytes));
    }

    private static float[] Decode(TestPackage package, bool shared)
    {
        using OnnxCausalModel model = package.Load();
        Assert.AreEqual(shared, model.Cache.IsShared);
        using ICausalDecoder decoder = model.BeginDecoding(2, 12);
        _ = Logits.Of(model, decoder, [5, 17, 3, 0, 60, 8], [1, 1, 1, 0, 1, 1]);
        for (int step = 0; step < 5; step++) _ = Logits.Of(model, decoder, [7 + step, 90 - step]);
        return Logits.Of(model, decoder, [1, 2]);
    }
}
