using TorchSharp;

namespace MLNet.Gpt.Trainers.Tests.Reinforcement;

/// <summary>Each metric under TRL's name, by its formula.</summary>
[TestClass]
public sealed class PolicyMetricsTests
{
    [TestMethod]
    public void A_rollouts_metrics_of_PPO_are_those_worked_out_by_hand()
    {
        // KL: (−1 + 2) + (−3 + 2.5) = 0.5 and 0. Entropy: 4 and 0.5. The rewards are the learnt scores less the penalty.
        RolloutRow[] rows = [Row([-1, -3], [-2, -2.5f], true), Row([-0.5f], [-0.5f], false)];
        AreClose(Named(PolicyFixture.Plain, ["a", "b"], PolicyMetrics.OfRollout(rows, [3, 1], [2.5, 0.5], [2, 0.5], [[4, 2], [10, 20]], 0.1, PolicyFixture.Plain)), new()
        {
            ["objective/kl"] = 0.25,
            ["objective/entropy"] = 2.25,
            ["objective/scores"] = 2,
            ["objective/non_score_reward"] = -0.25,
            ["objective/rlhf_reward"] = 1.25,
            ["val/num_eos_tokens"] = 1,
            ["kl_coefficient"] = 0.1,
            ["rewards/a/mean"] = 3,
            ["rewards/b/mean"] = 15,
        });
    }

    [TestMethod]
    public void A_rollouts_metrics_of_GRPO_are_those_worked_out_by_hand()
    {
        // Rewards 1, 3 and 2, 2: mean 2, squared distances 1 + 1 + 0 + 0 over 3. Tokens 2, 1, 4, 1; one of the four did not end; a prompt of 3 tokens counts for nothing.
        PolicyOptimizationOptions options = PolicyFixture.Plain with { Algorithm = PolicyAlgorithm.Grpo, Rollout = PolicyFixture.Plain.Rollout with { SamplesPerPrompt = 2 } };
        RolloutRow[] rows = [Row([-1, -1], [-1, -1], true), Row([-1], [-1], true), Row([-1, -1, -1, -1], [-1, -1, -1, -1], false), Row([-1], [-1], true)];
        AreClose(Named(options, ["a"], PolicyMetrics.OfRollout(rows, [9, 9, 9, 9], [9, 9, 9, 9], [1, 3, 2, 2], [[9, 9, 9, 9]], 0.2, options)), new()
        {
            ["reward"] = 2,
            ["reward_std"] = Math.Sqrt(2.0 / 3),
            ["frac_reward_zero_std"] = 0.5,
            ["completions/mean_length"] = 2,
            ["completions/clipped_ratio"] = 0.25,
            ["kl_coefficient"] = 0.2,
        });
    }

    [TestMethod]
    [DataRow(PolicyAlgorithm.Ppo)]
    [DataRow(PolicyAlgorithm.Rloo)]
    [DataRow(PolicyAlgorithm.Grpo)]
    public void An_updates_metrics_are_means_over_its_tokens_of_what_the_logits_say(PolicyAlgorithm algorithm)
    {
        const double Temperature = 0.7f, Low = 0.1, High = 0.15;
        PolicyOptimizationOptions plain = PolicyFixture.Plain;
        using var fixture = new PolicyFixture(plain with
        {
            Algorithm = algorithm, ClipRange = Low, ClipRangeHigh = High, Ppo = algorithm == PolicyAlgorithm.Ppo ? new() { ValueClipRange = 0.05 } : null,
            Rollout = plain.Rollout with { Temperature = (float)Temperature, SamplesPerPrompt = algorithm == PolicyAlgorithm.Ppo ? null : 3 },
        });
        (Rollout rollout, _) = fixture.Rollouts.Make(new());
        using var scope = torch.NewDisposeScope();
        using (torch.no_grad())
        {
            using var generator = new torch.Generator(2);
            foreach (FlatParameters set in fixture.Model.Sets) set.Master.add_(torch.randn(set.Master.shape, generator: generator) * 0.03);
        }

        // The reference moves too, so that k3 differs from what the ratios say.
        foreach (RolloutRow row in rollout.Rows) row.ReferenceLogProbabilities = [.. row.LogProbabilities.Select(static (value, t) => value - (0.3f * ((t % 3) - 1)))];
        (_, torch.Tensor sums) = PolicyUpdate.Backward(fixture.Model, rollout.Rows, rollout.Rows, rollout.KlCoefficient, valueOnly: false, fixture.Options);
        double[] found = [.. PolicyUpdate.Metrics(sums, algorithm).Select(static metric => (double)metric.item<float>())];

        List<double> ratios = [], changes = [], entropies = [], lows = [], highs = [], k3s = [], gains = [], valueErrors = [], valueClips = [];
        float[][] values = algorithm == PolicyAlgorithm.Ppo ? Values(fixture, rollout.Rows) : [];
        for (int b = 0; b < rollout.Rows.Count; b++)
        {
            RolloutRow row = rollout.Rows[b];
            for (int t = 0; t < row.Response.Length; t++)
            {
                double[] p = RolloutTests.Distribution(fixture.Model.Network, [.. row.PromptTokens, .. row.Response[..t]], Temperature);
                double own = Math.Log(p[row.Response[t]]), change = own - row.LogProbabilities[t], ratio = Math.Exp(change), gap = row.ReferenceLogProbabilities[t] - own;
                double advantage = row.Advantages.Length == 1 ? row.Advantages[0] : row.Advantages[t];
                ratios.Add(ratio);
                changes.Add(change);
                entropies.Add(-p.Sum(static share => share * Math.Log(share)));
                lows.Add(ratio < 1 - Low && advantage < 0 ? 1 : 0);
                highs.Add(ratio > 1 + High && advantage > 0 ? 1 : 0);
                k3s.Add(Math.Exp(gap) - 1 - gap);
                gains.Add(Math.Min(ratio * advantage, Math.Clamp(ratio, 1 - Low, 1 + High) * advantage));
                if (values.Length == 0) continue;
                double value = values[b][t], old = row.Values[t], free = Math.Pow(value - row.Returns[t], 2), near = Math.Pow(Math.Clamp(value, old - 0.05, old + 0.05) - row.Returns[t], 2);
                valueErrors.Add(Math.Max(free, near));
                valueClips.Add(near > free ? 1 : 0);
            }
        }

        Assert.IsTrue(lows.Sum() > 0 && highs.Sum() > 0 && lows.Sum() != highs.Sum(), $"{lows.Sum()} clipped below, {highs.Sum()} above");
        Dictionary<string, double> expected = algorithm == PolicyAlgorithm.Grpo
            ? new() { ["clip_ratio/low_mean"] = lows.Average(), ["clip_ratio/high_mean"] = highs.Average(), ["kl"] = k3s.Average(), ["entropy"] = entropies.Average() }
            : new()
            {
                ["policy/approxkl_avg"] = changes.Average(static change => 0.5 * change * change),
                ["policy/clipfrac_avg"] = lows.Average() + highs.Average(),
                ["policy/entropy_avg"] = entropies.Average(),
                ["val/ratio"] = ratios.Average(),
                ["val/ratio_var"] = ratios.Average(static ratio => ratio * ratio) - (ratios.Average() * ratios.Average()),
                ["loss/policy_avg"] = -gains.Sum() / (algorithm == PolicyAlgorithm.Ppo ? gains.Count : rollout.Rows.Count),
            };
        if (algorithm == PolicyAlgorithm.Ppo)
        {
            Assert.IsTrue(valueClips.Average() is > 0 and < 0.5 or > 0.5 and < 1, $"{valueClips.Average()}");
            expected["loss/value_avg"] = 0.5 * valueErrors.Average();
            expected["val/clipfrac_avg"] = valueClips.Average();
        }

        AreClose(PolicyMetrics.UpdateNames(fixture.Options).Zip(found).ToDictionary(static pair => pair.First, static pair => pair.Second), expected);
    }

    [TestMethod]
    public void The_ratios_variance_is_0_where_all_of_them_are_1_and_their_weights_add_up_to_a_little_more()
    {
        // 15 tokens of the weight 1/15 each give the mean ratio 1 + 2^-23 in float32.
        using TorchSharp.torch.Tensor sums = TorchSharp.torch.tensor(new float[] { 0, 0, 0, 1 + (1f / (1 << 23)), 0, 0 });
        using var scope = TorchSharp.torch.NewDisposeScope();
        Assert.AreEqual(0f, PolicyUpdate.Metrics(sums, PolicyAlgorithm.Ppo).ElementAt(4).item<float>());
    }

    [TestMethod]
    [DataRow(PolicyAlgorithm.Ppo)]
    [DataRow(PolicyAlgorithm.Rloo)]
    public void The_ratios_variance_is_told_where_they_hardly_differ_from_one(PolicyAlgorithm algorithm)
    {
        // The policy is as it was, and what it is said to have been is 2e-4 above and below by turns: a variance near 4e-8, of which mean ρ² − (mean ρ)² in float32 leaves 0, 6e-8 or 1e-7.
        using var fixture = new PolicyFixture(PolicyFixture.Plain with { Algorithm = algorithm, Ppo = null, Rollout = PolicyFixture.Plain.Rollout with { SamplesPerPrompt = algorithm == PolicyAlgorithm.Ppo ? null : 3 } });
        (Rollout rollout, _) = fixture.Rollouts.Make(new());
        List<double> ratios = [];
        foreach (RolloutRow row in rollout.Rows)
        {
            float[] own = row.LogProbabilities;
            row.LogProbabilities = [.. own.Select(static (value, t) => value + (t % 2 == 0 ? 2e-4f : -2e-4f))];
            ratios.AddRange(own.Select((value, t) => Math.Exp((double)value - row.LogProbabilities[t])));
        }

        using var scope = torch.NewDisposeScope();
        (_, torch.Tensor sums) = PolicyUpdate.Backward(fixture.Model, rollout.Rows, rollout.Rows, rollout.KlCoefficient, valueOnly: false, fixture.Options);
        double found = PolicyUpdate.Metrics(sums, algorithm).ElementAt(4).item<float>(), mean = ratios.Average();
        Assert.AreEqual(1, found / ratios.Average(ratio => (ratio - mean) * (ratio - mean)), 0.01);   // log-probabilities near −3 have steps of 2e-7, a thousandth of 2e-4
    }

    private static float[][] Values(PolicyFixture fixture, IReadOnlyList<RolloutRow> rows)
    {
        using var noGradient = torch.no_grad();
        var batch = new PolicyBatch(rows, torch.CPU);
        return batch.Split(batch.Values(fixture.Model.Value!));
    }

    private static Dictionary<string, double> Named(PolicyOptimizationOptions options, string[] sources, IReadOnlyList<double> values)
    {
        IReadOnlyList<string> names = PolicyMetrics.RolloutNames(options.Algorithm, sources);
        Assert.HasCount(names.Count, values);
        return names.Zip(values).ToDictionary(static pair => pair.First, static pair => pair.Second);
    }

    private static void AreClose(Dictionary<string, double> found, Dictionary<string, double> expected)
    {
        CollectionAssert.AreEquivalent(expected.Keys.ToArray(), found.Keys.ToArray());
        foreach ((string name, double value) in expected) Assert.AreEqual(value, found[name], 1e-5 * Math.Max(1, Math.Abs(value)), name);
    }

    private static RolloutRow Row(float[] own, float[] reference, bool complete) => new(0, [1, 2, 3], new int[own.Length], complete) { LogProbabilities = own, ReferenceLogProbabilities = reference };
}
