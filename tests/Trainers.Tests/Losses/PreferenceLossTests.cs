using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Losses;

[TestClass]
public sealed class PreferenceLossTests
{
    [TestMethod]
    [DataRow("sigmoid", false)]
    [DataRow("sigmoid", true)]
    [DataRow("smoothed", false)]
    [DataRow("smoothed", true)]
    [DataRow("identity", false)]
    [DataRow("identity", true)]
    [DataRow("hinge", false)]
    [DataRow("hinge", true)]
    public void Loss_and_gradient_equal_PyTorchs(string kind, bool lengthNormalized)
    {
        using var scope = NewDisposeScope();
        var reference = new AlignmentCase($"preference {kind}{(lengthNormalized ? ", length-normalised" : "")}");
        Tensor policy = PreferenceLoss.LogLikelihood(reference["policy"], reference["mask"], lengthNormalized), frozen = PreferenceLoss.LogLikelihood(reference["reference"], reference["mask"], lengthNormalized);
        Tensor log = policy - frozen, h = log.narrow(0, 0, 5) - log.narrow(0, 5, 5);
        Tensor each = kind switch
        {
            "sigmoid" => PreferenceLoss.Sigmoid(h, 0.3),
            "smoothed" => PreferenceLoss.Sigmoid(h, 0.3, labelSmoothing: 0.1),
            "identity" => PreferenceLoss.Identity(h, 0.3),
            _ => PreferenceLoss.Hinge(h, 0.3),
        };
        reference.IsOutput("each", each);
        reference.IsOutput("loss", each.mean());
        reference.HasGradients(each.mean());
    }

    [TestMethod]
    public void One_pairs_losses_are_those_worked_out_by_hand()
    {
        // log π(y⁺) = −10, reference −12; log π(y⁻) = −11, reference −10: h = 2 − (−1) = 3; β = 0.1.
        using var scope = NewDisposeScope();
        Tensor h = tensor(new[] { 3f });
        Assert.AreEqual(0.55435524, PreferenceLoss.Sigmoid(h, 0.1).item<float>(), 1e-6);                       // log(1 + e^−0.3)
        Assert.AreEqual(0.58435524, PreferenceLoss.Sigmoid(h, 0.1, labelSmoothing: 0.1).item<float>(), 1e-6);  // 0.9·0.55435524 + 0.1·0.85435524
        Assert.AreEqual(4, PreferenceLoss.Identity(h, 0.1).item<float>(), 1e-5);                               // (3 − 5)²
        Assert.AreEqual(0.7, PreferenceLoss.Hinge(h, 0.1).item<float>(), 1e-6);                                // 1 − 0.3
    }

    [TestMethod]
    public void A_policy_that_is_its_reference_has_the_loss_log_2_and_a_gradient_that_parts_the_pair()
    {
        using var scope = NewDisposeScope();
        Tensor policy = tensor(new[] { -1f, -2f, -1f, -3f }).view(2, 2).requires_grad_();
        Tensor log = PreferenceLoss.LogLikelihood(policy, ones(2, 2), lengthNormalized: false) - PreferenceLoss.LogLikelihood(policy.detach(), ones(2, 2), lengthNormalized: false);
        Tensor loss = PreferenceLoss.Sigmoid(log.narrow(0, 0, 1) - log.narrow(0, 1, 1), 0.5).sum();
        Assert.AreEqual(Math.Log(2), loss.item<float>(), 1e-6);
        loss.backward();

        // ∂/∂log π(y⁺) = −β·σ(0) = −0.25 for each of its tokens, and the opposite for y⁻.
        float[] gradient = [.. policy.grad!.flatten().data<float>()];
        float[] expected = [-0.25f, -0.25f, 0.25f, 0.25f];
        CollectionAssert.AreEqual(expected, gradient);
    }
}
