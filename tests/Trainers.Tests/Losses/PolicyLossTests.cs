using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Losses;

[TestClass]
public sealed class PolicyLossTests
{
    [TestMethod]
    [DataRow("dapo", false)]
    [DataRow("dapo", true)]
    [DataRow("grpo", false)]
    [DataRow("grpo", true)]
    [DataRow("dr_grpo", false)]
    [DataRow("dr_grpo", true)]
    public void Loss_gradient_and_clipped_tokens_equal_PyTorchs(string kind, bool dual)
    {
        using var scope = NewDisposeScope();
        var reference = new AlignmentCase($"policy {kind} {(dual ? "dual" : "plain")}");
        Tensor mask = reference["mask"];
        Tensor weights = kind switch
        {
            "dapo" => TokenWeights.Dapo(mask, 21),
            "grpo" => TokenWeights.Grpo(mask, 5),
            _ => TokenWeights.DrGrpo(mask, 5, 9),
        };
        PolicyLossResult result = PolicyLoss.Clipped(reference["new"], reference["old"], reference["advantages"], weights, dual ? 0.1 : 0.2, dual ? 0.28 : 0.2, dual ? 1.5 : null);
        reference.IsOutput("loss", result.Loss);
        reference.IsOutput("low", (result.ClippedLow * mask).sum());
        reference.IsOutput("high", (result.ClippedHigh * mask).sum());
        reference.HasGradients(result.Loss);
    }

    [TestMethod]
    [DataRow(1.1, 1.0, -1.1, -1.1)]      // within the clip: −ρA, and ∂/∂log π = −ρA
    [DataRow(1.5, 1.0, -1.2, 0.0)]       // above it, A > 0: −1.2·A, no gradient
    [DataRow(1.5, -1.0, 1.5, 1.5)]       // above it, A < 0: the larger loss counts, 1.5, with its gradient
    [DataRow(0.5, 1.0, -0.5, -0.5)]      // below it, A > 0: −0.5
    [DataRow(0.5, -1.0, 0.8, 0.0)]       // below it, A < 0: 0.8, no gradient
    public void Both_sides_of_the_clip_are_those_worked_out_by_hand(double ratio, double advantage, double loss, double gradient)
    {
        using var scope = NewDisposeScope();
        Tensor log = tensor(new[] { (float)Math.Log(ratio) }).view(1, 1).requires_grad_();
        PolicyLossResult result = PolicyLoss.Clipped(log, zeros(1, 1), full(1, 1, (float)advantage), ones(1, 1), 0.2, 0.2);
        Assert.AreEqual(loss, result.Loss.item<float>(), 1e-6);
        result.Loss.backward();
        Assert.AreEqual(gradient, log.grad!.item<float>(), 1e-6);
    }

    [TestMethod]
    public void Dual_clipping_bounds_the_loss_of_a_token_that_ran_off_against_its_advantage()
    {
        // ρ = 5, A = −1: −min(−5, −1.2) = 5; with c = 3 it is 3, without a gradient.
        using var scope = NewDisposeScope();
        Tensor log = tensor(new[] { (float)Math.Log(5) }).view(1, 1).requires_grad_();
        Assert.AreEqual(5, PolicyLoss.Clipped(log, zeros(1, 1), full(1, 1, -1f), ones(1, 1), 0.2, 0.2).Loss.item<float>(), 1e-5);
        Tensor dual = PolicyLoss.Clipped(log, zeros(1, 1), full(1, 1, -1f), ones(1, 1), 0.2, 0.2, dualClip: 3).Loss;
        Assert.AreEqual(3, dual.item<float>(), 1e-6);
        dual.backward();
        Assert.AreEqual(0, log.grad!.item<float>());
    }

    [TestMethod]
    public void Weights_make_parts_of_an_update_add_up_to_the_whole()
    {
        using var scope = NewDisposeScope();
        var reference = new AlignmentCase("policy grpo plain");
        Tensor whole = PolicyLoss.Clipped(reference["new"], reference["old"], reference["advantages"], TokenWeights.Grpo(reference["mask"], 5), 0.2, 0.2).Loss;
        double parts = 0;
        foreach ((long start, long count) in ((long, long)[])[(0, 2), (2, 3)])
        {
            parts += PolicyLoss.Clipped(Part("new"), Part("old"), Part("advantages"), TokenWeights.Grpo(Part("mask"), 5), 0.2, 0.2).Loss.item<float>();
            Tensor Part(string name) => reference[name].narrow(0, start, count);
        }

        Assert.AreEqual(whole.item<float>(), parts, 1e-6);
    }
}
