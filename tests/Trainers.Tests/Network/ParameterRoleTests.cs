using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Network;

/// <summary>Another family's names, which GPT-2's habits would mis-sort: what a parameter is treated as follows from its role alone.</summary>
[TestClass]
public sealed class ParameterRoleTests
{
    private static readonly GptConfig Config = new() { VocabularySize = 8, ContextLength = 4, EmbeddingSize = 8, LayerCount = 8, HeadCount = 2 };

    private static readonly GptParameterInfo[] Layout =
    [
        new("norm.scale", [16], GptParameterRole.LayerNormGain),
        new("up_proj", [256, 256], GptParameterRole.Projection),
        new("ln_up.weight", [16], GptParameterRole.ProjectionBias),
        new("norm.weight", [16], GptParameterRole.LayerNormBias),
        new("down", [256, 256], GptParameterRole.ResidualProjection),
    ];

    [TestMethod]
    public void Matrices_decay_and_LayerNorms_parameters_have_no_copy()
    {
        using var parameters = new FlatParameters(Layout, CPU, ScalarType.BFloat16, trainable: true);
        Assert.AreEqual(2 * 65_536, parameters.DecayCount);
        Assert.AreEqual((2 * 65_536) + 16, parameters.Working.numel());
        Assert.AreEqual(ScalarType.BFloat16, parameters["ln_up.weight"].dtype);
        foreach (string name in (string[])["norm.scale", "norm.weight"]) Assert.AreEqual(ScalarType.Float32, parameters[name].dtype);
    }

    [TestMethod]
    public void Initial_values_follow_from_the_role()
    {
        using var parameters = new FlatParameters(Layout, CPU, ScalarType.Float32, trainable: false);
        GptInitializer.Initialize(parameters, Config, seed: 1, residualScale: null);
        Assert.IsTrue(Read("norm.scale").All(static value => value == 1));
        Assert.IsTrue(Read("norm.weight").All(static value => value == 0));
        Assert.IsTrue(Read("ln_up.weight").All(static value => value == 0));
        // σ = 0.02, and over √(2·8) = 4 into the residual stream; of 65,536 draws the sample deviation is within 1 % with three standard errors and more to spare.
        Assert.AreEqual(0.02, Math.Sqrt(Read("up_proj").Average(static value => (double)value * value)), 0.0002);
        Assert.AreEqual(0.005, Math.Sqrt(Read("down").Average(static value => (double)value * value)), 0.00005);

        float[] Read(string name)
        {
            var values = new float[Layout.Single(info => info.Name == name).ElementCount];
            parameters.Read(name, values);
            return values;
        }
    }

    [TestMethod]
    public void An_unknown_role_is_refused()
    {
        GptParameterInfo[] layout = [new("mystery", [4], (GptParameterRole)99)];
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new FlatParameters(layout, CPU, ScalarType.Float32, trainable: false)).Message, "mystery");
        using var adapter = new FlatParameters([new("a", [2, 2], GptParameterRole.AdapterIn)], CPU, ScalarType.Float32, trainable: false);
        Assert.ThrowsExactly<ArgumentException>(() => GptInitializer.Initialize(adapter, Config, seed: 1, residualScale: null));
    }
}
