using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Reinforcement;

[TestClass]
public sealed class PolicyUpdateTests
{
    private static readonly PolicyOptimizationOptions Full = PolicyFixture.Plain with { DualClip = 3, EntropyCoefficient = 0.05, ClipRangeHigh = 0.28 };

    public static IEnumerable<object[]> Cases =>
    [
        ["PPO", Full with { Ppo = new() { ValueCoefficient = 0.5 } }],
        ["PPO at a temperature", Full with { Rollout = Full.Rollout with { Temperature = 0.7f } }],
        ["PPO with much entropy", Full with { EntropyCoefficient = 5 }],   // so that its part of the gradient outweighs the tolerance
        ["PPO with an adapter", Full with { Lora = new() { Rank = 2 } }],
        ["GRPO", Full with { Algorithm = PolicyAlgorithm.Grpo, Rollout = Full.Rollout with { SamplesPerPrompt = 3 } }],
        ["DAPO without truncated responses", Full with { Algorithm = PolicyAlgorithm.Grpo, Grpo = new() { Loss = GroupLoss.Dapo, MaskTruncated = true }, Rollout = Full.Rollout with { SamplesPerPrompt = 3 } }],
        ["Dr. GRPO", Full with { Algorithm = PolicyAlgorithm.Grpo, Grpo = new() { Loss = GroupLoss.DrGrpo, ScaleByGroup = false }, Kl = new() { Coefficient = 0.3 }, Rollout = Full.Rollout with { SamplesPerPrompt = 3 } }],
        ["RLOO", Full with { Algorithm = PolicyAlgorithm.Rloo, Rollout = Full.Rollout with { SamplesPerPrompt = 2 } }],
    ];

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void The_gradient_is_the_finite_difference_of_the_loss_that_is_reported(string name, object options)
    {
        using var fixture = Moved((PolicyOptimizationOptions)options, out Rollout rollout);
        PolicyTrainedModel model = fixture.Model;
        double loss = Loss(fixture, rollout.Rows);
        Tensor[] gradients = [.. model.Sets.Select(static set => set.GradientSum.clone())];
        double norm = Math.Sqrt(gradients.Sum(static g => g.square().sum().item<float>()));
        Assert.IsTrue(gradients.All(static g => g.abs().max().item<float>() > 0), "each set has a gradient");

        // Along the gradient, where the slope is its norm, and along a direction of random signs.
        using var generator = new torch.Generator(3);
        double Slope(Func<int, Tensor> direction)
        {
            const double Step = 2e-3;
            double[] at = [.. new[] { Step, -Step }.Select(step =>
            {
                Move(step);
                double value = Loss(fixture, rollout.Rows);
                Move(-step);
                return value;
            })];
            return (at[0] - at[1]) / (2 * Step);

            void Move(double step)
            {
                using var noGradient = no_grad();
                for (int i = 0; i < model.Sets.Count; i++) model.Sets[i].Master.add_(direction(i) * step);
            }
        }

        Assert.AreEqual(norm, Slope(i => gradients[i] / norm), 0.01 * norm, name);
        Tensor[] random = [.. gradients.Select(g => randn(g.shape, generator: generator) + (2 * g / norm * Math.Sqrt(g.numel())))];
        double length = Math.Sqrt(random.Sum(static r => r.square().sum().item<float>())), expected = random.Select((r, i) => (r * gradients[i]).sum().item<float>()).Sum() / length;
        Assert.AreEqual(expected, Slope(i => random[i] / length), (0.01 * Math.Abs(expected)) + 1e-4, name);
        Assert.AreEqual(loss, Loss(fixture, rollout.Rows), 1e-5, "and back");
    }

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Parts_of_an_update_add_up_to_the_whole(string name, object options)
    {
        using var fixture = Moved((PolicyOptimizationOptions)options, out Rollout rollout);
        double whole = Loss(fixture, rollout.Rows);
        float[][] expected = [.. fixture.Model.Sets.Select(static set => set.GradientSum.data<float>().ToArray())];
        double sum = 0;
        foreach (FlatParameters set in fixture.Model.Sets) set.ZeroGradient();
        foreach (RolloutRow[] part in rollout.Rows.Chunk(5)) sum += Part(fixture, part, rollout.Rows);
        Assert.AreEqual(whole, sum, 1e-5, name);
        for (int i = 0; i < expected.Length; i++)
        {
            float[] found = fixture.Model.Sets[i].GradientSum.data<float>().ToArray();
            for (int k = 0; k < found.Length; k++) Assert.AreEqual(expected[i][k], found[k], 1e-5f);
        }
    }

    [TestMethod]
    [DataRow(GroupLoss.Grpo)]
    [DataRow(GroupLoss.DrGrpo)]
    [DataRow(GroupLoss.Dapo)]
    public void A_token_of_a_group_weighs_as_its_loss_says(GroupLoss loss)
    {
        // The policy has not moved: ρ = 1 and k3 = 0, and what is left of the loss is −Σ w·A. Response i, of L_i tokens, has the advantage i + 1.
        using var fixture = new PolicyFixture(PolicyFixture.Plain with { Algorithm = PolicyAlgorithm.Grpo, Grpo = new() { Loss = loss }, Rollout = PolicyFixture.Plain.Rollout with { SamplesPerPrompt = 3 } });
        (Rollout rollout, _) = fixture.Rollouts.Make(new());
        IReadOnlyList<RolloutRow> rows = rollout.Rows;
        for (int i = 0; i < rows.Count; i++) rows[i].Advantages = [i + 1];
        int[] lengths = [.. rows.Select(static row => row.Response.Length)];
        Assert.IsGreaterThan(2, lengths.Distinct().Count());
        double weighted = lengths.Select(static (length, i) => (double)(i + 1) * length).Sum();
        double expected = loss switch
        {
            GroupLoss.Grpo => (rows.Count + 1) / 2.0,                       // the mean over responses of the mean over their tokens
            GroupLoss.DrGrpo => weighted / (rows.Count * 6),                // Rollout.MaxNewTokens is 6
            _ => weighted / lengths.Sum(),
        };
        Assert.AreEqual(-expected, Part(fixture, rows, rows), 1e-5 * expected);
    }

    // −min(ρ·A, clip(ρ)·A) of every token, and no less than −c·|A| where A < 0 and there is a dual clip c (Ye et al. 2020, equation 5).
    [TestMethod]
    [DataRow(2.0, 1.0, null, null, -1.2)]
    [DataRow(2.0, 1.0, 0.5, null, -1.5)]
    [DataRow(1.3, 1.0, 0.5, null, -1.3)]
    [DataRow(0.5, 1.0, 0.5, null, -0.5)]
    [DataRow(0.5, -1.0, 0.5, null, 0.8)]
    [DataRow(5.0, -1.0, 0.5, null, 5.0)]
    [DataRow(5.0, -1.0, 0.5, 3.0, 3.0)]
    [DataRow(2.0, -1.0, 0.5, 3.0, 2.0)]
    public void A_ratio_is_clipped_as_the_options_say(double ratio, double advantage, double? high, double? dual, double expected)
    {
        using var fixture = new PolicyFixture(PolicyFixture.Plain with
        {
            Algorithm = PolicyAlgorithm.Grpo, Kl = new() { Coefficient = 0 }, ClipRange = 0.2, ClipRangeHigh = high, DualClip = dual, Rollout = PolicyFixture.Plain.Rollout with { SamplesPerPrompt = 3 },
        });
        IReadOnlyList<RolloutRow> rows = fixture.Rollouts.Make(new()).Rollout.Rows;
        foreach (RolloutRow row in rows)
        {
            row.Advantages = [(float)advantage];
            row.LogProbabilities = [.. row.LogProbabilities.Select(own => own - (float)Math.Log(ratio))];
        }

        Assert.AreEqual(expected, Part(fixture, rows, rows), 1e-4);
    }

    // V has gone up by 1 since the rollout, to the return itself: the loss is that of V_old + the clip range, half a square (Schulman et al. 2017's reference implementation).
    [TestMethod]
    [DataRow(0.2, 1.0, 0.32)]
    [DataRow(0.3, 1.0, 0.245)]
    [DataRow(0.3, 0.5, 0.1225)]
    public void A_value_is_clipped_and_weighs_as_the_options_say(double range, double coefficient, double expected)
    {
        using var fixture = new PolicyFixture(PolicyFixture.Plain with { Ppo = new() { ValueClipRange = range, ValueCoefficient = coefficient } });
        IReadOnlyList<RolloutRow> rows = fixture.Rollouts.Make(new()).Rollout.Rows;
        foreach (RolloutRow row in rows) (row.Advantages, row.Returns, row.Values) = (new float[row.Response.Length], row.Values, [.. row.Values.Select(static value => value - 1)]);
        Assert.AreEqual(expected, Part(fixture, rows, rows), 1e-4);
    }

    [TestMethod]
    public void Entropy_lowers_the_loss()
    {
        // Weights of zeros: each of V tokens is as likely as any other, with an entropy of log V. No response is better than another, so that nothing else is left of the loss.
        using var fixture = new PolicyFixture(PolicyFixture.Plain with
        {
            Algorithm = PolicyAlgorithm.Grpo, Kl = new() { Coefficient = 0 }, EntropyCoefficient = 0.25, Rollout = PolicyFixture.Plain.Rollout with { SamplesPerPrompt = 3 },
        });
        IReadOnlyList<RolloutRow> rows = fixture.Rollouts.Make(new()).Rollout.Rows;
        foreach (RolloutRow row in rows) row.Advantages = new float[row.Response.Length];
        using (no_grad()) fixture.Model.Network.Parameters.Master.zero_();
        Assert.AreEqual(-0.25 * Math.Log(PolicyFixture.Shape.VocabularySize), Part(fixture, rows, rows), 1e-5);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Truncated_responses_count_where_the_options_do_not_leave_them_out(bool leftOut)
    {
        using var fixture = new PolicyFixture(PolicyFixture.Plain with
        {
            Algorithm = PolicyAlgorithm.Grpo, Grpo = new() { MaskTruncated = leftOut }, Rollout = PolicyFixture.Plain.Rollout with { SamplesPerPrompt = 3 },
        });
        IReadOnlyList<RolloutRow> rows = fixture.Rollouts.Make(new()).Rollout.Rows;
        Assert.AreEqual(2, rows.Select(static row => row.IsComplete).Distinct().Count(), "some responses ended, some did not");
        foreach (RolloutRow row in rows) Assert.AreEqual(row.IsComplete || !leftOut, row.Counts);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void A_value_model_begins_as_the_reward_model(bool adapted)
    {
        using var reward = new RewardNetwork(new GptNetwork(PolicyFixture.Shape, GptDevice.Cpu, seed: 8), new RewardHead(), trainable: false);
        reward.Initialize(6);
        reward.Shift(2);
        using var fixture = new PolicyFixture(adapted ? PolicyFixture.Plain with { Lora = new() { Rank = 2 } } : PolicyFixture.Plain, reward);
        RewardNetwork value = fixture.Model.Value!;
        foreach (GptParameterInfo parameter in (IEnumerable<GptParameterInfo>)[.. GptParameterLayout.Of(PolicyFixture.Shape), .. reward.Extra.Layout])
        {
            float[] expected = new float[parameter.ElementCount], found = new float[parameter.ElementCount];
            reward.Read(parameter.Name, expected);
            value.Read(parameter.Name, found);
            CollectionAssert.AreEqual(expected, found, parameter.Name);
        }
    }

    [TestMethod]
    public void While_the_value_model_warms_up_the_policy_has_no_gradient()
    {
        using var fixture = Moved(Full, out Rollout rollout);
        foreach (FlatParameters set in fixture.Model.Sets) set.ZeroGradient();
        (Tensor loss, Tensor sums) = PolicyUpdate.Backward(fixture.Model, rollout.Rows, rollout.Rows, rollout.KlCoefficient, valueOnly: true, fixture.Options);
        using (loss)
        using (sums)
        {
            Assert.AreEqual(0, fixture.Model.Network.Parameters.GradientSum.abs().max().item<float>());
            Assert.IsGreaterThan(0, fixture.Model.Value!.Extra.GradientSum.abs().max().item<float>());
            Assert.AreEqual(0.1 * sums.data<float>()[6], loss.item<float>(), 1e-6, "the value loss, a tenth of it");
        }
    }

    [TestMethod]
    public void A_device_that_is_ahead_of_what_is_known_of_its_updates_learns_the_same()
    {
        // What a GPU does, on a CPU: losses and norms are read when a report or a rollout needs them.
        string[] Run(bool immediate)
        {
            PolicyOptimizationOptions options = PolicyFixture.Plain with { Episodes = 36, Rollout = PolicyFixture.Plain.Rollout with { InnerEpochs = 2 }, Run = PolicyFixture.Plain.Run with { LogInterval = 3, ImmediateUpdates = immediate } };
            using var fixture = new PolicyFixture(options);
            var loop = new PolicyOptimizationLoop(fixture.Model, fixture.Rollouts, fixture.Rewards, fixture.Prompts, [], null, fixture.Options, 4, 9, null, static _ => { });
            RunResult result = loop.Run(null);
            Assert.AreEqual(12, result.State.Step);
            return [.. result.History.Select(static report => FormattableString.Invariant($"{report.Step} {report.Loss:R} {report.GradientNorm:R} {string.Join(' ', report.Metrics!.Where(static m => m.Key != "eps"))}"))];
        }

        CollectionAssert.AreEqual(Run(immediate: true), Run(immediate: false));
    }

    /// <summary>A rollout, and a policy and value model that have moved on since, so that ratios differ and some are clipped.</summary>
    private static PolicyFixture Moved(PolicyOptimizationOptions options, out Rollout rollout)
    {
        var fixture = new PolicyFixture(options);
        (rollout, _) = fixture.Rollouts.Make(new());
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using var generator = new torch.Generator(2);
        foreach (FlatParameters set in fixture.Model.Sets) set.Master.add_(randn(set.Master.shape, generator: generator) * 0.03);
        return fixture;
    }

    private static double Loss(PolicyFixture fixture, IReadOnlyList<RolloutRow> rows)
    {
        foreach (FlatParameters set in fixture.Model.Sets) set.ZeroGradient();
        return Part(fixture, rows, rows);
    }

    private static double Part(PolicyFixture fixture, IReadOnlyList<RolloutRow> rows, IReadOnlyList<RolloutRow> update)
    {
        (Tensor loss, Tensor sums) = PolicyUpdate.Backward(fixture.Model, rows, update, fixture.Options.KlCoefficient, valueOnly: false, fixture.Options);
        using (loss)
        using (sums) return loss.item<float>();
    }
}
