using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Losses;

[TestClass]
public sealed class LanguageModelLossTests
{
    [TestMethod]
    public void A_case_worked_by_hand()
    {
        // As for the log-probabilities: W = (ln 3, 0); h = 1 gives p = (3/4, 1/4), h = 0 gives (1/2, 1/2). Weights 2 and 4, scale 1/8.
        // Sum: 2·ln(4/3) + 4·ln 2. ∂/∂h: −2·(ln 3/4)/8 and 4·(ln 3/2)/8. ∂/∂W: −2·(1/4, −1/4)/8 from the first token, and h = 0 gives nothing.
        using var scope = NewDisposeScope();
        Tensor hidden = tensor(new float[] { 1, 0 }).view(2, 1), head = tensor(new[] { MathF.Log(3), 0 }).view(2, 1), targets = tensor(new long[] { 0, 1 }), weights = tensor(new float[] { 2, 4 });
        Tensor headGradient = tensor(new float[] { 1, 1 }).view(2, 1);
        LanguageModelLossGradient found = LanguageModelLoss.WithGradient(hidden, head, targets, 1.0 / 8, weights, headGradient);
        double sum = (2 * Math.Log(4.0 / 3)) + (4 * Math.Log(2));
        Assert.AreEqual(sum, found.Sum.item<float>(), 1e-6);
        Assert.AreEqual(sum, LanguageModelLoss.Sum(hidden, head, targets, weights).item<float>(), 1e-6);
        Assert.AreEqual(-Math.Log(3) / 16, found.Hidden[0, 0].item<float>(), 1e-6);
        Assert.AreEqual(Math.Log(3) / 4, found.Hidden[1, 0].item<float>(), 1e-6);
        Assert.AreEqual(1 - (1.0 / 16), headGradient[0, 0].item<float>(), 1e-6, "it is added to what was there");
        Assert.AreEqual(1 + (1.0 / 16), headGradient[1, 0].item<float>(), 1e-6);
    }
}
