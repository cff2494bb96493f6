using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Losses;

[TestClass]
public sealed class KlTests
{
    [TestMethod]
    public void Estimators_and_their_gradients_equal_PyTorchs()
    {
        using var scope = NewDisposeScope();
        var reference = new AlignmentCase("kl");
        Tensor k1 = KlEstimate.K1(reference["new"], reference["reference"]), k3 = KlEstimate.K3(reference["new"], reference["reference"]), mask = reference["mask"];
        reference.IsOutput("k1", Masked.Mean(k1, mask));
        reference.IsOutput("k3", Masked.Mean(k3, mask));
        reference.IsOutput("k2", Masked.Mean(PolicyLoss.ApproximateKl(reference["new"], reference["old"]), mask));
        Tensor loss = Masked.Mean((0.5 * k1) + k3, mask);
        reference.IsOutput("loss", loss);
        reference.HasGradients(loss);
    }

    [TestMethod]
    public void One_tokens_estimates_are_those_worked_out_by_hand()
    {
        // π = 0.5, π_ref = 0.25: k1 = log 2 = 0.69314718; k3 = 0.5 − 1 − log 0.5 = 0.19314718.
        using var scope = NewDisposeScope();
        Tensor policy = tensor((float)Math.Log(0.5)), reference = tensor((float)Math.Log(0.25));
        Assert.AreEqual(0.69314718, KlEstimate.K1(policy, reference).item<float>(), 1e-6);
        Assert.AreEqual(0.19314718, KlEstimate.K3(policy, reference).item<float>(), 1e-6);
    }

    [TestMethod]
    public void Both_estimators_are_unbiased_over_a_distribution_and_zero_of_a_policy_to_itself()
    {
        // π = (0.5, 0.3, 0.2), π_ref = (0.2, 0.3, 0.5): KL = 0.5·log 2.5 + 0.2·log 0.4 = 0.27488722.
        using var scope = NewDisposeScope();
        Tensor p = tensor(new[] { 0.5f, 0.3f, 0.2f }), q = tensor(new[] { 0.2f, 0.3f, 0.5f });
        Assert.AreEqual(0.27488722, (p * KlEstimate.K1(p.log(), q.log())).sum().item<float>(), 1e-6);
        Assert.AreEqual(0.27488722, (p * KlEstimate.K3(p.log(), q.log())).sum().item<float>(), 1e-6);
        Assert.AreEqual(0, KlEstimate.K1(p.log(), p.log()).abs().sum().item<float>());
        Assert.AreEqual(0, KlEstimate.K3(p.log(), p.log()).abs().sum().item<float>());
    }

    [TestMethod]
    public void An_adaptive_coefficient_follows_the_error_within_its_bounds()
    {
        var start = new KlCoefficient(0.1, Target: 6, Horizon: 10_000);

        // KL 6.6 is 10 % too much: 0.1·(1 + 0.1·256/10000) = 0.100256. KL 60 counts as 20 % too much: 0.1·(1 + 0.2·256/10000) = 0.100512. KL 0 as 20 % too little.
        Assert.AreEqual(0.100256, start.After(6.6, 256).Value, 1e-12);
        Assert.AreEqual(0.100512, start.After(60, 256).Value, 1e-12);
        Assert.AreEqual(0.099488, start.After(0, 256).Value, 1e-12);
        Assert.AreEqual(0.1, start.After(6, 256).Value, 1e-15);
        Assert.AreEqual(0.1, (start with { Target = null }).After(60, 256).Value);
    }

    [TestMethod]
    public void Entropy_and_its_gradient_equal_PyTorchs_and_a_uniform_distributions_is_the_log_of_its_size()
    {
        using var scope = NewDisposeScope();
        var reference = new AlignmentCase("entropy");
        Tensor entropy = TokenEntropy.Of(reference["logits"]);
        reference.IsOutput("entropy", entropy);
        reference.HasGradients((entropy * arange(1, 6)).sum());
        Assert.AreEqual(Math.Log(8), TokenEntropy.Of(full(1, 8, 3f)).item<float>(), 1e-6);
    }
}
