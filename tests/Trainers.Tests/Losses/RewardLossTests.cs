using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Losses;

[TestClass]
public sealed class RewardLossTests
{
    private static readonly double[][] ReferenceGrades = [[1, 0], [2, 2, 0, 1], [1, 1, 1], [3, 1, 4, 1, 5, 9, 2, 6, 5]];

    [TestMethod]
    [DataRow("reward", 0, 0)]
    [DataRow("reward, margin and centering", 0.3, 0.05)]
    public void Loss_and_gradient_equal_PyTorchs(string name, double margin, double centering)
    {
        using var scope = NewDisposeScope();
        var reference = new AlignmentCase(name);
        RewardLossResult result = RewardLoss.Of(reference["rewards"], ResponsePairs.Of(ReferenceGrades, 4), margin, centering);
        reference.IsOutput("loss", result.Loss);
        reference.IsOutputInAnyOrder("differences", result.Differences);
        reference.HasGradients(result.Loss);
    }

    [TestMethod]
    public void Two_responses_make_one_pair()
    {
        // r = (1, 0), the first is better: -log σ(1) = log(1 + e⁻¹) = 0.31326169.
        Assert.AreEqual(0.31326169, LossOf([1, 0], [1, 0]), 1e-6);

        // The second is better: -log σ(-1) = log(1 + e) = 1.31326169.
        Assert.AreEqual(1.31326169, LossOf([1, 0], [0, 1]), 1e-6);
    }

    [TestMethod]
    public void Three_responses_make_three_pairs_whose_losses_are_averaged()
    {
        // r = (2, 1, 0) in the right order: (2·0.31326169 + log(1 + e⁻²)) / 3 = (0.62652338 + 0.12692801) / 3 = 0.25115046.
        Assert.AreEqual(0.25115046, LossOf([2, 1, 0], [3, 2, 1]), 1e-6);

        // The first two tied: their pair is dropped, (log(1 + e⁻²) + log(1 + e⁻¹)) / 2 = 0.22009485.
        Assert.AreEqual(0.22009485, LossOf([2, 1, 0], [2, 2, 1]), 1e-6);
    }

    [TestMethod]
    public void Four_responses_make_six_pairs_and_four_with_two_ties()
    {
        // r = (3, 2, 1, 0): three gaps of 1, two of 2, one of 3: (3·0.31326169 + 2·0.12692801 + 0.04858735) / 6 = 0.20703797.
        Assert.AreEqual(0.20703797, LossOf([3, 2, 1, 0], [4, 3, 2, 1]), 1e-6);

        // 1 = 2 > 3 = 4: gaps 2, 3, 1, 2: (0.31326169 + 2·0.12692801 + 0.04858735) / 4 = 0.15392627.
        Assert.AreEqual(0.15392627, LossOf([3, 2, 1, 0], [2, 2, 1, 1]), 1e-6);
    }

    [TestMethod]
    public void A_prompt_counts_as_much_as_another_whatever_its_number_of_pairs()
    {
        // (0.31326169 + 0.20703797) / 2.
        using var scope = NewDisposeScope();
        RewardLossResult result = RewardLoss.Of(tensor(new float[] { 1, 0, 3, 2, 1, 0 }), ResponsePairs.Of([[1, 0], [4, 3, 2, 1]], 2));
        Assert.AreEqual(0.26014983, result.Loss.item<float>(), 1e-6);
        Assert.AreEqual(7, result.Differences.numel());
    }

    [TestMethod]
    public void Margin_and_centering_enter_as_their_formulas_say()
    {
        // Grades 3 and 1: the margin is 0.25·2; −log σ(1 − 0.5) + 0.1·(1 + 0)² = 0.47407698 + 0.1.
        using var scope = NewDisposeScope();
        Assert.AreEqual(0.57407698, RewardLoss.Of(tensor(new float[] { 1, 0 }), ResponsePairs.Of([[3, 1]], 1), margin: 0.25, centering: 0.1).Loss.item<float>(), 1e-6);
    }

    [TestMethod]
    public void A_batch_of_ties_has_no_loss_and_no_gradient()
    {
        using var scope = NewDisposeScope();
        Tensor rewards = tensor(new float[] { 1, 2 }).requires_grad_();
        Tensor loss = RewardLoss.Of(rewards, ResponsePairs.Of([[1, 1]], 1)).Loss;
        loss.backward();
        Assert.AreEqual(0, loss.item<float>());
        Assert.AreEqual(0, rewards.grad!.abs().sum().item<float>());
    }

    private static double LossOf(float[] rewards, double[] grades)
    {
        using var scope = NewDisposeScope();
        return RewardLoss.Of(tensor(rewards), ResponsePairs.Of([grades], 1)).Loss.item<float>();
    }
}
