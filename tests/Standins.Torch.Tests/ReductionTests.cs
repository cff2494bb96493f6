using static TorchSharp.torch;

namespace MLNet.Gpt.Standins.Torch.Tests;

[TestClass]
public class ReductionTests
{
    private readonly Tensor x = tensor(new float[,] { { 3, 1, 2 }, { 4, 6, 5 } });

    [TestMethod]
    public void Sums_and_means_go_over_all_or_some_dimensions()
    {
        Assert.AreEqual(21, x.sum().item<float>());
        Values.AreEqual([7, 7, 7], x.sum(0L)); // a bare 0 would be taken for an element type
        Values.AreEqual([6, 15], x.sum(-1));
        Values.HasShape([2, 1], x.sum(1, keepdim: true));
        Assert.AreEqual(21, x.sum([0, 1]).item<float>());
        Assert.AreEqual(21, x.sum(float64).item<double>());
        Assert.AreEqual(3.5f, x.mean().item<float>());
        Values.AreEqual([2, 5], x.mean([1]));
        Values.AreEqual([3, 4, 6, 4, 10, 15], x.cumsum(1));
        Assert.AreEqual(2L, (x > 4).sum().item<long>());
    }

    [TestMethod]
    public void Spreads_and_norms_have_their_values()
    {
        Assert.AreEqual(17.5f / 5, x.var().item<float>(), 1e-6);              // Σ(x - 3.5)² = 17.5, five degrees of freedom
        Assert.AreEqual(MathF.Sqrt(17.5f / 6), x.std(unbiased: false).item<float>(), 1e-6);
        Assert.AreEqual(MathF.Sqrt(91), x.norm().item<float>(), 1e-6);        // 9+1+4+16+36+25
        Values.AreEqual([MathF.Sqrt(14), MathF.Sqrt(77)], x.norm(1), 1e-6f);
    }

    [TestMethod]
    public void Extremes_come_with_their_places()
    {
        Assert.AreEqual(6, x.max().item<float>());
        Assert.AreEqual(1, x.min().item<float>());
        (Tensor values, Tensor indexes) = x.max(1);
        Values.AreEqual([3, 6], values);
        Values.AreEqual([0, 1], indexes);
        Values.AreEqual([1, 4], x.min(1).values);
        Values.AreEqual([0, 1], x.argmax(1));
        Assert.AreEqual(4L, x.argmax().item<long>());
        (values, indexes) = x.topk(2);
        Values.AreEqual([3, 2, 6, 5], values);
        Values.AreEqual([0, 2, 1, 2], indexes);
        (values, indexes) = x.sort(descending: true);
        Values.AreEqual([3, 2, 1, 6, 5, 4], values);
        Values.AreEqual([0, 2, 1, 1, 2, 0], indexes);
    }

    [TestMethod]
    public void Truths_are_summed_up()
    {
        Assert.IsTrue((x > 0).all().item<bool>());
        Assert.IsFalse((x > 6).any().item<bool>());
        Values.AreEqual([0, 1], (x > 3).all(1));
        Values.AreEqual([1, 1], (x > 2).any(1));
    }

    [TestMethod]
    public void Softmax_and_its_logarithm_agree_with_the_sum_of_exponentials()
    {
        float e1 = MathF.Exp(-2), e2 = MathF.Exp(-1), sum = 1 + e1 + e2;
        Values.AreEqual([1 / sum, e1 / sum, e2 / sum], x[0].softmax(0), 1e-6f);
        Values.AreEqual([-MathF.Log(sum), -2 - MathF.Log(sum), -1 - MathF.Log(sum)], x[0].log_softmax(0), 1e-6f);
        Assert.AreEqual(3 + MathF.Log(sum), x[0].logsumexp(0).item<float>(), 1e-6);
        Assert.AreEqual(float64, x.softmax(1, float64).dtype);
        Values.AreEqual([1 / sum, e1 / sum, e2 / sum], nn.functional.softmax(x[0], 0), 1e-6f);
        Values.AreEqual([-MathF.Log(sum), -2 - MathF.Log(sum), -1 - MathF.Log(sum)], nn.functional.log_softmax(x[0], 0), 1e-6f);
    }
}
