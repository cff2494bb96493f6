namespace MLNet.Gpt.Trainers.Tests.Reinforcement;

/// <summary>From scores to advantages, worked out by hand.</summary>
[TestClass]
public sealed class PolicyAdvantagesTests
{
    private static readonly PolicyOptimizationOptions Options = new() { Ppo = new() { GaeLambda = 0.5, Gamma = 0.9, WhitenAdvantages = false } };

    [TestMethod]
    public void The_score_comes_at_the_end_the_penalty_at_each_token_and_GAE_carries_both_back()
    {
        // β = 0.1, log π − log π_ref = 1, −2; score 3: r = (−0.1, 0.2 + 3). V = (0.5, 1).
        // δ_1 = 3.2 − 1 = 2.2; δ_0 = −0.1 + 0.9·1 − 0.5 = 0.3. A_1 = 2.2; A_0 = 0.3 + 0.9·0.5·2.2 = 1.29. R = A + V = (1.79, 3.2).
        RolloutRow row = Row([-1, -3], [-2, -1], [0.5f, 1]);
        double[] totals = PolicyAdvantages.Set([row, Row([-1], [-1], [2])], [3, 1], 0.1, Options);
        AreClose([1.29, 2.2], row.Advantages);
        AreClose([1.79, 3.2], row.Returns);
        Assert.AreEqual(3.1, totals[0], 1e-6, "3 − 0.1·(1 − 2)");
        Assert.AreEqual(1, totals[1], 1e-6);
    }

    [TestMethod]
    public void Advantages_are_whitened_over_all_tokens_of_the_rollout()
    {
        // γ = λ = 1, V = 0, no penalty: A = (1, 1) and (4): mean 2, unbiased variance (1 + 1 + 4)/2 = 3: ∓1/√3, 2/√3.
        RolloutRow first = Row([-1, -1], [-1, -1], [0, 0]), second = Row([-1], [-1], [0]);
        PolicyAdvantages.Set([first, second], [1, 4], 0, Options with { Ppo = new() { GaeLambda = 1 } });
        AreClose([-1 / Math.Sqrt(3), -1 / Math.Sqrt(3)], first.Advantages);
        AreClose([2 / Math.Sqrt(3)], second.Advantages);
        AreClose([1, 1], first.Returns);
    }

    [TestMethod]
    public void RLOO_compares_a_response_with_the_others_to_its_prompt_penalty_included()
    {
        // β = 0.5, KL = 1, 0, 0: rewards 2 − 0.5, 1, 3; A = 1.5 − 2, 1 − 2.25, 3 − 1.25.
        RolloutRow[] rows = [Row([-1, 0], [-2, 0], []), Row([-1], [-1], []), Row([-1], [-1], [])];
        PolicyAdvantages.Set(rows, [2, 1, 3], 0.5, new() { Algorithm = PolicyAlgorithm.Rloo, Rollout = new() { SamplesPerPrompt = 3 } });
        AreClose([-0.5, -1.25, 1.75], [.. rows.Select(static row => row.Advantages.Single())]);
    }

    [TestMethod]
    public void The_penalty_is_that_of_the_estimator_asked_for()
    {
        // K3 = e^x − 1 − x for x = log π_ref − log π = −1, 2: 1/e and e² − 3. β = 0.5: rewards 3 − 0.5·(1/e + e² − 3) = 0.621532 and 1, whose distance is ∓0.378468.
        RolloutRow[] rows = [Row([-1, -3], [-2, -1], []), Row([-1], [-1], [])];
        double[] totals = PolicyAdvantages.Set(rows, [3, 1], 0.5, new() { Algorithm = PolicyAlgorithm.Rloo, Kl = new() { Estimator = KlEstimator.K3 } });
        Assert.AreEqual(0.621532, totals[0], 1e-5);
        AreClose([-0.378468, 0.378468], [.. rows.Select(static row => row.Advantages.Single())]);
    }

    [TestMethod]
    public void Whitened_rewards_have_a_deviation_of_1_and_keep_their_mean()
    {
        // 1 and 4: mean 2.5, unbiased variance 4.5; 2.5 ∓ 1.5/√4.5 = 2.5 ∓ 1/√2. V = 0: these are the advantages.
        RolloutRow first = Row([-1], [-1], [0]), second = Row([-1], [-1], [0]);
        PolicyAdvantages.Set([first, second], [1, 4], 0, Options with { Ppo = new() { WhitenAdvantages = false, WhitenRewards = true } });
        AreClose([2.5 - Math.Sqrt(0.5)], first.Advantages);
        AreClose([2.5 + Math.Sqrt(0.5)], second.Advantages);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void GRPO_scales_by_the_group_or_not_and_keeps_the_penalty_out_of_the_reward(bool scale)
    {
        // Two prompts of two: 1, 3 and 5, 5. σ = √2 and 0.
        RolloutRow[] rows = [Row([-1], [-9], []), Row([-1], [-9], []), Row([-1], [-9], []), Row([-1], [-9], [])];
        PolicyAdvantages.Set(rows, [1, 3, 5, 5], 0.5, new() { Algorithm = PolicyAlgorithm.Grpo, Rollout = new() { SamplesPerPrompt = 2 }, Grpo = new() { ScaleByGroup = scale } });
        double one = scale ? 1 / (Math.Sqrt(2) + 1e-4) : 1;
        AreClose([-one, one, 0, 0], [.. rows.Select(static row => row.Advantages.Single())]);
    }

    [TestMethod]
    public void Scores_are_normalised_by_all_so_far_then_clipped_then_fined_for_a_missing_end()
    {
        // 1, 2, 3, then 6: mean 3, squared distances 4 + 1 + 0 + 9 = 14, deviation √(14/3) = 2.1602.
        PolicyState state = new PolicyState().With([1, 2, 3]).With([6]);
        Assert.AreEqual(3, state.ScoreMean, 1e-12);
        Assert.AreEqual(14, state.ScoreSquares, 1e-12);
        Assert.AreEqual(6, state.Score);
        double deviation = Math.Sqrt(14.0 / 3);
        Assert.AreEqual(6, state.Learnt(6, true, new()));
        Assert.AreEqual(6 / deviation, state.Learnt(6, true, new() { Normalization = RewardNormalization.Scale }), 1e-12);
        Assert.AreEqual(3 / deviation, state.Learnt(6, true, new() { Normalization = RewardNormalization.Standardize }), 1e-12);
        Assert.AreEqual(1, state.Learnt(6, true, new() { Normalization = RewardNormalization.Standardize, ClipRange = 1 }));
        Assert.AreEqual(0.25, state.Learnt(6, false, new() { Normalization = RewardNormalization.Standardize, ClipRange = 1, MissingEndPenalty = 0.75 }));
        Assert.AreEqual(5, new PolicyState().With([5, 5]).Learnt(5, true, new() { Normalization = RewardNormalization.Scale }), "equal scores have nothing to scale by");
    }

    private static RolloutRow Row(float[] own, float[] reference, float[] values) =>
        new(0, [1], new int[own.Length], true) { LogProbabilities = own, ReferenceLogProbabilities = reference, Values = values };

    private static void AreClose(double[] expected, float[] found)
    {
        Assert.HasCount(expected.Length, found);
        for (int i = 0; i < found.Length; i++) Assert.AreEqual(expected[i], found[i], 1e-5);
    }
}
