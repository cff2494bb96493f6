namespace MLNet.Gpt.Core.Tests.Model;

[TestClass]
public sealed class GptParameterLayoutTests
{
    [TestMethod]
    public void The_layout_has_as_many_elements_as_the_configuration_has_parameters()
    {
        GptConfig[] configs = [GptConfig.Gpt1, GptConfig.Gpt2Xl, GptConfig.Gpt3_175B, new() { FeedForwardSize = 100 }];
        foreach (GptConfig config in configs) Assert.AreEqual(config.ParameterCount, GptParameterLayout.Of(config).Sum(static parameter => parameter.ElementCount));
    }

    [TestMethod]
    public void GPT2_small_has_the_148_tensors_of_its_published_checkpoint()
    {
        IReadOnlyList<GptParameterInfo> layout = GptParameterLayout.Of(GptConfig.Gpt2Small);
        Assert.HasCount(148, layout); // 2 embeddings, 12 in each of 12 layers, 2 of the last LayerNorm
        Assert.AreEqual(148, layout.Select(static parameter => parameter.Name).Distinct().Count());
        Assert.AreEqual("[768, 2304]", layout.Single(static parameter => parameter.Name == "h.0.attn.c_attn.weight").ShapeText);
        Assert.AreEqual("[3072, 768]", layout.Single(static parameter => parameter.Name == "h.11.mlp.c_proj.weight").ShapeText);
        Assert.AreEqual("[1024, 768]", layout.Single(static parameter => parameter.Name == GptParameterLayout.PositionEmbedding).ShapeText);
    }

    [TestMethod]
    public void A_post_norm_model_has_no_final_LayerNorm()
    {
        Assert.IsTrue(GptParameterLayout.Of(GptConfig.Gpt2Small).Any(static parameter => parameter.Name == "ln_f.weight"));
        Assert.IsFalse(GptParameterLayout.Of(GptConfig.Gpt1).Any(static parameter => parameter.Name.StartsWith("ln_f", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void An_invalid_configuration_has_no_layout() =>
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => GptParameterLayout.Of(new GptConfig { HeadCount = 5 }));
}
