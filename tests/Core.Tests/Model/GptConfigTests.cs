namespace MLNet.Gpt.Core.Tests.Model;

[TestClass]
public sealed class GptConfigTests
{
    // GPT-1 and GPT-2: as released. GPT-3: V·C + T·C + L·(12·C² + 13·C) + 2·C with V 50,257, T 2,048 and the sizes of Brown et al. 2020, table 2.1.
    public static IEnumerable<object[]> Presets =>
    [
        [GptConfig.Gpt1, 116_534_784L],
        [GptConfig.Gpt2Small, 124_439_808L],
        [GptConfig.Gpt2Medium, 354_823_168L],
        [GptConfig.Gpt2Large, 774_030_080L],
        [GptConfig.Gpt2Xl, 1_557_611_200L],
        [GptConfig.Gpt3Small, 125_226_240L],
        [GptConfig.Gpt3Medium, 355_871_744L],
        [GptConfig.Gpt3Large, 760_300_032L],
        [GptConfig.Gpt3Xl, 1_315_723_264L],
        [GptConfig.Gpt3_2_7B, 2_651_553_280L],
        [GptConfig.Gpt3_6_7B, 6_658_404_352L],
        [GptConfig.Gpt3_13B, 12_853_386_240L],
        [GptConfig.Gpt3_175B, 174_604_259_328L],
    ];

    [TestMethod]
    [DynamicData(nameof(Presets))]
    public void A_preset_has_the_published_number_of_parameters(GptConfig config, long expected) => Assert.AreEqual(expected, config.Validate().ParameterCount);

    [TestMethod]
    public void A_GPT3_preset_has_the_size_in_its_name()
    {
        (GptConfig Config, double Name)[] named =
        [
            (GptConfig.Gpt3Small, 125e6), (GptConfig.Gpt3Medium, 350e6), (GptConfig.Gpt3Large, 760e6), (GptConfig.Gpt3Xl, 1.3e9),
            (GptConfig.Gpt3_2_7B, 2.7e9), (GptConfig.Gpt3_6_7B, 6.7e9), (GptConfig.Gpt3_13B, 13e9), (GptConfig.Gpt3_175B, 175e9),
        ];

        // The names are rounded to two or three digits: 350M stands for 355.9 million, the farthest off.
        foreach ((GptConfig config, double name) in named) Assert.AreEqual(1, config.ParameterCount / name, 0.02, $"{name}");
    }

    [TestMethod]
    public void The_GPT3_heads_have_the_published_sizes()
    {
        // Table 2.1's d_head: 64, 64, 96, 128, 80, 128, 128, 128.
        GptConfig[] configs = [GptConfig.Gpt3Small, GptConfig.Gpt3Medium, GptConfig.Gpt3Large, GptConfig.Gpt3Xl, GptConfig.Gpt3_2_7B, GptConfig.Gpt3_6_7B, GptConfig.Gpt3_13B, GptConfig.Gpt3_175B];
        CollectionAssert.AreEqual(new[] { 64, 64, 96, 128, 80, 128, 128, 128 }, configs.Select(static config => config.HeadSize).ToArray());
    }

    [TestMethod]
    public void Every_second_layer_of_the_alternating_pattern_is_banded_beginning_with_the_second()
    {
        var config = new GptConfig { AttentionPattern = GptAttentionPattern.AlternatingDenseAndBanded, AttentionBandWidth = 7 };
        Assert.IsNull(config.BandWidthOfLayer(0));
        Assert.AreEqual(7, config.BandWidthOfLayer(1));
        Assert.IsNull(config.BandWidthOfLayer(2));
        Assert.IsNull(GptConfig.Gpt2Small.BandWidthOfLayer(1));
    }

    [TestMethod]
    public void The_operations_of_a_token_are_six_a_parameter_and_twelve_a_position_and_layer_and_channel()
    {
        // Without the positions' 4·3 entries: V·C = 15, L·(12C² + 13C) = 2·(108 + 39) = 294, final norm 6: 315 parameters. 6·315 + 12·2·3·4 = 2178.
        var config = new GptConfig { VocabularySize = 5, ContextLength = 4, EmbeddingSize = 3, LayerCount = 2, HeadCount = 1 };
        Assert.AreEqual(315 + 12, config.ParameterCount);
        Assert.AreEqual(2178, config.FlopsPerToken);
    }

    [TestMethod]
    public void A_size_that_the_heads_do_not_divide_comes_with_two_ways_out()
    {
        var exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => (GptConfig.Gpt2Small with { EmbeddingSize = 770 }).Validate());
        StringAssert.Contains(exception.Message, "Embedding size 770 isn't divisible by 12 heads; choose 768, or 11 heads of 70.");
        exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new GptConfig { EmbeddingSize = 3, HeadCount = 4 }.Validate());
        StringAssert.Contains(exception.Message, "choose 4, or 3 heads of 1.");

        // A damaged configuration asks for two thousand million heads; the remedy is found without trying all of them.
        exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new GptConfig { EmbeddingSize = 3, HeadCount = int.MaxValue }.Validate());
        StringAssert.Contains(exception.Message, "or 3 heads of 1.");
    }

    public static IEnumerable<object[]> Invalid =>
    [
        [new GptConfig { VocabularySize = 1 }, nameof(GptConfig.VocabularySize)],
        [new GptConfig { ContextLength = 0 }, nameof(GptConfig.ContextLength)],
        [new GptConfig { EmbeddingSize = 0 }, nameof(GptConfig.EmbeddingSize)],
        [new GptConfig { LayerCount = -1 }, nameof(GptConfig.LayerCount)],
        [new GptConfig { HeadCount = 0 }, nameof(GptConfig.HeadCount)],
        [new GptConfig { FeedForwardSize = 0 }, nameof(GptConfig.FeedForwardSize)],
        [new GptConfig { AttentionBandWidth = 0 }, nameof(GptConfig.AttentionBandWidth)],
        [new GptConfig { EmbeddingDropout = 1 }, nameof(GptConfig.EmbeddingDropout)],
        [new GptConfig { AttentionDropout = -0.1f }, nameof(GptConfig.AttentionDropout)],
        [new GptConfig { ResidualDropout = float.NaN }, nameof(GptConfig.ResidualDropout)],
        [new GptConfig { LayerNormEpsilon = 0 }, nameof(GptConfig.LayerNormEpsilon)],
        [new GptConfig { InitializerRange = float.PositiveInfinity }, nameof(GptConfig.InitializerRange)],
    ];

    [TestMethod]
    [DynamicData(nameof(Invalid))]
    public void A_value_outside_its_range_is_named(GptConfig config, string name) =>
        Assert.AreEqual(name, Assert.ThrowsExactly<ArgumentOutOfRangeException>(config.Validate).ParamName, config.ToString());
}
