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
    public void Each_parameter_of_a_block_says_what_it_does()
    {
        // GPT-2's block, written out: LayerNorm, query-key-value, the way back to the residual stream, and the same for the feed-forward part.
        (string Name, GptParameterRole Role)[] block =
        [
            ("h.1.ln_1.weight", GptParameterRole.LayerNormGain), ("h.1.ln_1.bias", GptParameterRole.LayerNormBias),
            ("h.1.attn.c_attn.weight", GptParameterRole.Projection), ("h.1.attn.c_attn.bias", GptParameterRole.ProjectionBias),
            ("h.1.attn.c_proj.weight", GptParameterRole.ResidualProjection), ("h.1.attn.c_proj.bias", GptParameterRole.ProjectionBias),
            ("h.1.ln_2.weight", GptParameterRole.LayerNormGain), ("h.1.ln_2.bias", GptParameterRole.LayerNormBias),
            ("h.1.mlp.c_fc.weight", GptParameterRole.Projection), ("h.1.mlp.c_fc.bias", GptParameterRole.ProjectionBias),
            ("h.1.mlp.c_proj.weight", GptParameterRole.ResidualProjection), ("h.1.mlp.c_proj.bias", GptParameterRole.ProjectionBias),
        ];
        foreach (GptConfig config in (GptConfig[])[GptConfig.Gpt1, GptConfig.Gpt2Small])
        {
            IReadOnlyList<GptParameterInfo> layout = GptParameterLayout.Of(config);
            CollectionAssert.AreEqual(block, layout.Where(static parameter => parameter.Name.StartsWith("h.1.", StringComparison.Ordinal)).Select(static parameter => (parameter.Name, parameter.Role)).ToArray());
            Assert.AreEqual(GptParameterRole.TokenEmbedding, layout[0].Role);
            Assert.AreEqual(GptParameterRole.PositionEmbedding, layout[1].Role);
        }

        // Twelve layers of two, and the last LayerNorm of GPT-2 alone.
        Assert.AreEqual(25, GptParameterLayout.Of(GptConfig.Gpt2Small).Count(static parameter => parameter.Role == GptParameterRole.LayerNormGain));
        Assert.AreEqual(25, GptParameterLayout.Of(GptConfig.Gpt2Small).Count(static parameter => parameter.Role == GptParameterRole.LayerNormBias));
        Assert.AreEqual(24, GptParameterLayout.Of(GptConfig.Gpt1).Count(static parameter => parameter.Role == GptParameterRole.LayerNormGain));
    }

    [TestMethod]
    public void Heads_and_adapters_have_roles_of_their_own()
    {
        var head = new ClassifierHead { Task = SupervisedTask.TextClassification, Labels = ["a", "b", "c", "d"] };
        CollectionAssert.AreEqual(
            new[] { GptParameterRole.TaskTokenEmbedding, GptParameterRole.HeadWeight, GptParameterRole.HeadBias },
            ClassifierParameterLayout.Of(GptConfig.Gpt1, head).Select(static parameter => parameter.Role).ToArray());
        foreach (GptParameterInfo tensor in LoraLayout.Of(GptConfig.Gpt2Small, new LoraOptions { Rank = 3 }))
        {
            // A reduces to the rank, B widens from it.
            Assert.AreEqual(tensor.Shape[0] == 3 ? GptParameterRole.AdapterIn : GptParameterRole.AdapterOut, tensor.Role, tensor.Name);
            Assert.AreEqual(3L, tensor.Shape.Min());
        }
    }

    [TestMethod]
    public void An_invalid_configuration_has_no_layout() =>
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => GptParameterLayout.Of(new GptConfig { HeadCount = 5 }));
}
