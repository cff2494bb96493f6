using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Network;

/// <summary>Weights that are computed with in bfloat16 and kept, with the sums of their gradients, in float32.</summary>
[TestClass]
public sealed class FlatParametersTests
{
    private static readonly GptConfig Tiny = new() { VocabularySize = 4, ContextLength = 2, EmbeddingSize = 2, LayerCount = 1, HeadCount = 1 };

    [TestMethod]
    public void Gradients_of_micro_batches_are_summed_in_float32()
    {
        using var scope = NewDisposeScope();
        using var network = new GptNetwork(Tiny, GptDevice.Cpu, precision: GptPrecision.BFloat16);
        FlatParameters parameters = network.Parameters;
        using var fill = no_grad();
        foreach (float gradient in (float[])[256, 1])
        {
            parameters.Gradient.fill_(gradient);
            parameters.CollectGradient();
            Assert.AreEqual(0, parameters.Gradient.abs().max().to(float32).item<float>());
        }

        // 257 takes nine bits, of which bfloat16 has eight. The gradients of norms behind the others are in float32 as they come.
        Assert.AreEqual((257f, 257f), Bounds(parameters.GradientSum.narrow(0, 0, parameters.Gradient.size(0))));
        Assert.AreEqual((0f, 0f), Bounds(parameters.GradientSum.narrow(0, parameters.Gradient.size(0), parameters.GradientSum.size(0) - parameters.Gradient.size(0))));
    }

    [TestMethod]
    public void What_is_computed_with_follows_weights_that_are_exchanged_or_brought_back()
    {
        using var scope = NewDisposeScope();
        using var network = new GptNetwork(Tiny, GptDevice.Cpu, precision: GptPrecision.BFloat16);
        FlatParameters parameters = network.Parameters;
        using var fill = no_grad();
        Set(1);
        using var average = new AveragedWeights([parameters], 0.5);
        Set(2);
        average.Exchange();
        Assert.AreEqual((1f, 1f), Bounds(parameters.Working));
        average.Exchange();
        Assert.AreEqual((2f, 2f), Bounds(parameters.Working));
        using var best = new KeptWeights([parameters]);
        best.Keep();
        Set(3);
        best.Restore();
        Assert.AreEqual((2f, 2f), Bounds(parameters.Working));

        void Set(float value)
        {
            parameters.Master.fill_(value);
            parameters.RefreshWorkingCopy();
        }
    }

    private static (float Least, float Most) Bounds(Tensor numbers) => (numbers.to(float32).min().item<float>(), numbers.to(float32).max().item<float>());
}
