using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Losses;

[TestClass]
public sealed class ValueLossTests
{
    // ½·((5 − 4)² + (−5 + 4)²), and its derivative V − R, though both values have gone far from the rollout's, towards the returns: any clip would make the loss larger and hold them back.
    [TestMethod]
    public void An_infinite_range_clips_nothing()
    {
        using var scope = NewDisposeScope();
        Tensor values = tensor(new float[,] { { 5, -5 } }).requires_grad_();
        ValueLossResult result = ValueLoss.Clipped(values, zeros(1, 2), tensor(new float[,] { { 4, -4 } }), ones(1, 2), double.PositiveInfinity);
        result.Loss.backward();
        Assert.AreEqual(1, result.Loss.item<float>());
        CollectionAssert.AreEqual(new[] { 1f, -1 }, values.grad!.data<float>().ToArray());
        Assert.AreEqual(0, result.Clipped.sum().item<float>());
    }

    [TestMethod]
    public void Loss_gradient_and_clipped_tokens_equal_PyTorchs()
    {
        using var scope = NewDisposeScope();
        var reference = new AlignmentCase("value");
        ValueLossResult result = ValueLoss.Clipped(reference["values"], reference["old"], reference["returns"], TokenWeights.Dapo(reference["mask"], 21), 0.2);
        reference.IsOutput("loss", result.Loss);
        reference.IsOutput("clipped", (result.Clipped * reference["mask"]).sum());
        reference.HasGradients(result.Loss);
    }

    [TestMethod]
    [DataRow(0.1, 1.0, 0.405, -0.9)]     // within the clip: ½·(0.1 − 1)², gradient 0.1 − 1
    [DataRow(0.5, 1.0, 0.32, 0.0)]       // above it, towards the return: ½·(0.2 − 1)², no gradient
    [DataRow(0.5, -1.0, 1.125, 1.5)]     // above it, away from the return: ½·(0.5 + 1)², gradient 1.5
    [DataRow(-0.5, 1.0, 1.125, -1.5)]    // below it, away from the return
    [DataRow(-0.5, -1.0, 0.32, 0.0)]     // below it, towards the return: ½·(−0.2 + 1)²
    public void Both_sides_of_the_clip_are_those_worked_out_by_hand(double value, double target, double loss, double gradient)
    {
        using var scope = NewDisposeScope();
        Tensor v = tensor(new[] { (float)value }).view(1, 1).requires_grad_();
        Tensor result = ValueLoss.Clipped(v, zeros(1, 1), full(1, 1, (float)target), ones(1, 1), 0.2).Loss;
        Assert.AreEqual(loss, result.item<float>(), 1e-6);
        result.backward();
        Assert.AreEqual(gradient, v.grad!.item<float>(), 1e-6);
    }
}
