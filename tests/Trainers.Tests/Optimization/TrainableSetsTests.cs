using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Optimization;

[TestClass]
public sealed class TrainableSetsTests
{
    [TestMethod]
    [DataRow(10_000_000)]
    [DataRow(8_192)]
    [DataRow(3)]
    public void The_norm_of_gradients_is_right_however_many_there_are(int count)
    {
        // One set with so many gradients of 0.001 and another with two of 3: √(n·1e-6 + 2·9). Added up one behind the other in float32, ten million squares fall 2e-3 short; in pieces of a thousand, 2e-6.
        using var scope = NewDisposeScope();
        using FlatParameters many = Set(count, 1e-3f), few = Set(2, 3);
        using var sets = new TrainableSets([many, few], new AdamWOptions());
        using var alone = new TrainableSets([many], new AdamWOptions());
        Assert.AreEqual(1, sets.GradientNorm().item<float>() / Math.Sqrt((count * 1e-6) + 18), 1e-5);
        Assert.AreEqual(1, alone.GradientNorm().item<float>() / Math.Sqrt(count * 1e-6), 1e-5);

        static FlatParameters Set(int count, float gradient)
        {
            using var noGradient = no_grad();
            var set = new FlatParameters([new GptParameterInfo("w", [count], GptParameterRole.Projection)], CPU, ScalarType.Float32, trainable: true);
            set.ViewOf(set.GradientSum, "w").fill_(gradient);
            return set;
        }
    }

    [TestMethod]
    [DataRow(float.NaN)]
    [DataRow(float.PositiveInfinity)]
    public void One_gradient_that_is_not_finite_shows_in_the_norm(float value)
    {
        using var scope = NewDisposeScope();
        using var set = new FlatParameters([new GptParameterInfo("w", [10_000], GptParameterRole.Projection)], CPU, ScalarType.Float32, trainable: true);
        using var sets = new TrainableSets([set], new AdamWOptions());
        using (no_grad()) set.GradientSum[5_000] = value;
        Assert.IsFalse(float.IsFinite(sets.GradientNorm().item<float>()));
    }
}
