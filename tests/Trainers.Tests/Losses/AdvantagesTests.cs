using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Losses;

[TestClass]
public sealed class AdvantagesTests
{
    [TestMethod]
    [DataRow(1.0, 0.95)]
    [DataRow(0.9, 0.5)]
    [DataRow(1.0, 1.0)]
    [DataRow(0.99, 0.0)]
    public void Generalized_advantages_of_rows_of_unequal_length_equal_PyTorchs(double gamma, double lambda)
    {
        using var scope = NewDisposeScope();
        var reference = new AlignmentCase(string.Create(CultureInfo.InvariantCulture, $"gae {gamma} {lambda}"));
        AdvantageEstimate estimate = Advantages.Generalized(reference["rewards"], reference["values"], reference["mask"], gamma, lambda);
        reference.IsOutput("advantages", estimate.Advantages);
        reference.IsOutput("returns", estimate.Returns);
    }

    [TestMethod]
    public void A_trajectory_of_five_steps_has_the_advantages_worked_out_by_hand()
    {
        // r = (0, 0, 0, 0, 1), V = (0.1, 0.2, 0.3, 0.4, 0.5), γ = 1, λ = 0.5.
        // δ = (0.1, 0.1, 0.1, 0.1, 0.5); A₅ = 0.5, A₄ = 0.1 + 0.25 = 0.35, A₃ = 0.1 + 0.175 = 0.275, A₂ = 0.1 + 0.1375 = 0.2375, A₁ = 0.1 + 0.11875 = 0.21875.
        using var scope = NewDisposeScope();
        AdvantageEstimate estimate = Advantages.Generalized(tensor(new float[] { 0, 0, 0, 0, 1 }).view(1, 5), tensor(new[] { 0.1f, 0.2f, 0.3f, 0.4f, 0.5f }).view(1, 5), ones(1, 5), 1, 0.5);
        AreEqual([0.21875, 0.2375, 0.275, 0.35, 0.5], estimate.Advantages);
        AreEqual([0.31875, 0.4375, 0.575, 0.75, 1.0], estimate.Returns);
    }

    [TestMethod]
    public void What_stands_behind_the_end_of_a_row_changes_nothing()
    {
        using var scope = NewDisposeScope();
        Tensor mask = tensor(new float[] { 1, 1, 0 }).view(1, 3), values = tensor(new float[] { 0.5f, 0.25f, 99 }).view(1, 3), rewards = tensor(new float[] { 0, 1, 99 }).view(1, 3);

        // δ₂ = 1 − 0.25, δ₁ = 0.25 − 0.5; λ = 1: A₁ = 0.5.
        AdvantageEstimate estimate = Advantages.Generalized(rewards, values, mask, 1, 1);
        AreEqual([0.5, 0.75, 0], estimate.Advantages);
        AreEqual([1, 1, 0], estimate.Returns);
    }

    [TestMethod]
    public void Advantages_within_groups_equal_PyTorchs()
    {
        using var scope = NewDisposeScope();
        var reference = new AlignmentCase("groups");
        GroupAdvantages scaled = Advantages.OfGroup(reference["rewards"], scale: true);
        reference.IsOutput("scaled", scaled.Advantages);
        reference.IsOutput("deviations", scaled.Deviations);
        reference.IsOutput("centered", Advantages.OfGroup(reference["rewards"], scale: false).Advantages);
        reference.IsOutput("leave_one_out", Advantages.LeaveOneOut(reference["rewards"]));
    }

    [TestMethod]
    public void Advantages_of_a_group_of_four_are_those_worked_out_by_hand()
    {
        // r = (1, 2, 3, 6): mean 3, deviations (−2, −1, 0, 3), σ² = 14/3, σ = 2.1602469; the others' means (11/3, 10/3, 3, 2).
        using var scope = NewDisposeScope();
        Tensor rewards = tensor(new float[] { 1, 2, 3, 6 }).view(1, 4);
        AreEqual([-2 / 2.1603469, -1 / 2.1603469, 0, 3 / 2.1603469], Advantages.OfGroup(rewards, scale: true).Advantages);
        AreEqual([-2, -1, 0, 3], Advantages.OfGroup(rewards, scale: false).Advantages);
        AreEqual([-8 / 3.0, -4 / 3.0, 0, 4], Advantages.LeaveOneOut(rewards));
    }

    [TestMethod]
    public void A_group_whose_rewards_are_all_alike_teaches_nothing()
    {
        using var scope = NewDisposeScope();
        GroupAdvantages advantages = Advantages.OfGroup(full(1, 4, 2.5f), scale: true);
        AreEqual([0, 0, 0, 0], advantages.Advantages);
        AreEqual([0], advantages.Deviations);
    }

    private static void AreEqual(double[] expected, Tensor actual)
    {
        float[] found = [.. actual.flatten().data<float>()];
        Assert.HasCount(expected.Length, found);
        for (int i = 0; i < found.Length; i++) Assert.AreEqual(expected[i], found[i], 1e-6, $"[{i}]");
    }
}
