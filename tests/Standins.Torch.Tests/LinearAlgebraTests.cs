using static TorchSharp.torch;

namespace MLNet.Gpt.Standins.Torch.Tests;

[TestClass]
public class LinearAlgebraTests
{
    private readonly Tensor a = tensor(new float[,] { { 1, 2 }, { 3, 4 } });
    private readonly Tensor b = tensor(new float[,] { { 5, 6 }, { 7, 8 } });
    private readonly Tensor v = tensor(new float[] { 1, -1 });

    [TestMethod]
    public void Products_have_their_values()
    {
        Values.AreEqual([19, 22, 43, 50], a.mm(b));
        Values.AreEqual([19, 22, 43, 50], a.matmul(b));
        Values.AreEqual([19, 22, 43, 50], a.unsqueeze(0).bmm(b.unsqueeze(0)));
        Values.AreEqual([-1, -1], a.mv(v));
        Assert.AreEqual(2, v.dot(v).item<float>());
        Assert.ThrowsExactly<InvalidOperationException>(() => v.dot(zeros(3)));
    }

    [TestMethod]
    public void Products_are_added_with_factors()
    {
        Tensor c = ones(2, 2);
        Values.AreEqual([20, 23, 44, 51], c.addmm(a, b));
        Values.AreEqual([40, 46, 88, 102], addmm(c, a, b, 2, 2));
        Values.AreEqual([0, 0], v.abs().addmv(a, v));
        Tensor sum = ones(2, 2);
        Assert.AreSame(sum, sum.addmm_(a, b, 0, 0.5f));
        Values.AreEqual([9.5f, 11, 21.5f, 25], sum);
    }
}
