using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Losses;

[TestClass]
public sealed class MaskedTests
{
    [TestMethod]
    public void Statistics_and_whitening_equal_PyTorchs()
    {
        using var scope = NewDisposeScope();
        var shifted = new AlignmentCase("whiten");
        shifted.IsOutput("mean", Masked.Mean(shifted["x"], shifted["mask"]));
        shifted.IsOutput("variance", Masked.Variance(shifted["x"], shifted["mask"]));
        shifted.IsOutput("white", Masked.Whiten(shifted["x"], shifted["mask"]));
        var kept = new AlignmentCase("whiten, mean kept");
        kept.IsOutput("white", Masked.Whiten(kept["x"], kept["mask"], shiftMean: false));
    }

    [TestMethod]
    public void Two_of_four_numbers_are_whitened_with_the_unbiased_variance()
    {
        // 2 and 3: mean 2.5, variance (0.25 + 0.25) / (2 − 1) = 0.5; ∓0.5 / √0.5 = ∓0.70710678.
        using var scope = NewDisposeScope();
        float[] white = [.. Masked.Whiten(tensor(new float[] { 1, 2, 3, 4 }).view(1, 4), tensor(new float[] { 0, 1, 1, 0 }).view(1, 4)).flatten().data<float>()];
        double[] expected = [0, -0.70710678, 0.70710678, 0];
        for (int i = 0; i < 4; i++) Assert.AreEqual(expected[i], white[i], 1e-6);
    }

    [TestMethod]
    public void One_number_and_none_give_zeros_and_no_NaN()
    {
        using var scope = NewDisposeScope();
        Tensor x = tensor(new float[] { 1, 2 }).view(1, 2);
        Assert.AreEqual(0, Masked.Whiten(x, tensor(new float[] { 0, 1 }).view(1, 2)).abs().sum().item<float>());
        Assert.AreEqual(0, Masked.Whiten(x, zeros(1, 2)).abs().sum().item<float>());
        Assert.AreEqual(0, Masked.Mean(x, zeros(1, 2)).item<float>());
    }
}
