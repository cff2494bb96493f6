namespace MLNet.Gpt;

/// <summary>
/// What reports of policy optimisation tell besides, under TRL's names. Those of a rollout are means over its responses, then over the updates since the last report; those of an update are means over its tokens, then over
/// the updates. ρ = π(token)/π_old(token); every KL and entropy in nats.
/// </summary>
/// <remarks>
/// <para>PPO and RLOO, of a rollout: <c>objective/kl</c> = mean Σ_t (log π_old − log π_ref); <c>objective/entropy</c> = mean −Σ_t log π_old; <c>objective/scores</c> = mean score before normalisation;
/// <c>objective/non_score_reward</c> = mean −β·KL as the reward has it; <c>objective/rlhf_reward</c> = mean score as learnt from + non_score_reward; <c>val/num_eos_tokens</c> = responses that ended.</para>
/// <para>Of an update: <c>policy/approxkl_avg</c> = mean ½(log π − log π_old)²; <c>policy/clipfrac_avg</c> = share of tokens without a gradient because ρ left the clip range; <c>policy/entropy_avg</c> = mean entropy of
/// the next-token distributions; <c>val/ratio</c> = mean ρ; <c>val/ratio_var</c> = mean ρ² − (mean ρ)²; <c>loss/policy_avg</c> = the clipped loss; with a value model <c>loss/value_avg</c> = its clipped loss before its coefficient,
/// <c>val/clipfrac_avg</c> = share of tokens whose clipped value error is the larger.</para>
/// <para>GRPO, of a rollout: <c>reward</c> = mean reward as learnt from; <c>reward_std</c> = its unbiased standard deviation over the rollout; <c>frac_reward_zero_std</c> = share of prompts whose responses were all rewarded alike; <c>completions/mean_length</c> = mean tokens;
/// <c>completions/clipped_ratio</c> = share of responses that did not end. Of an update: <c>clip_ratio/low_mean</c>, <c>clip_ratio/high_mean</c> = share of tokens clipped below and above; <c>kl</c> = mean k3 from the reference; <c>entropy</c> as
/// <c>policy/entropy_avg</c>.</para>
/// <para>All: <c>kl_coefficient</c> = β; <c>rewards/NAME/mean</c> of each of several sources; <c>loss/pretraining</c> = the mix's loss, nats a token; at the time of the report <c>episode</c> = responses learnt from so far,
/// <c>eps</c> = episodes a second of this process, <c>lr</c> = the learning rate.</para>
/// </remarks>
internal static class PolicyMetrics
{
    /// <summary>The names of a rollout's metrics, in the order of <see cref="OfRollout"/>.</summary>
    public static IReadOnlyList<string> RolloutNames(PolicyAlgorithm algorithm, IReadOnlyList<string> sources) =>
    [
        .. algorithm == PolicyAlgorithm.Grpo
            ? (string[])["reward", "reward_std", "frac_reward_zero_std", "completions/mean_length", "completions/clipped_ratio"]
            : ["objective/kl", "objective/entropy", "objective/scores", "objective/non_score_reward", "objective/rlhf_reward", "val/num_eos_tokens"],
        "kl_coefficient",
        .. sources.Count > 1 ? sources.Select(static name => $"rewards/{name}/mean") : [],
    ];

    /// <summary>The names of an update's metrics, in the order of <see cref="PolicyUpdate"/>.</summary>
    public static IReadOnlyList<string> UpdateNames(PolicyOptimizationOptions options) =>
    [
        .. options.Algorithm == PolicyAlgorithm.Grpo
            ? (string[])["clip_ratio/low_mean", "clip_ratio/high_mean", "kl", "entropy"]
            : ["policy/approxkl_avg", "policy/clipfrac_avg", "policy/entropy_avg", "val/ratio", "val/ratio_var", "loss/policy_avg"],
        .. options.Algorithm == PolicyAlgorithm.Ppo ? (string[])["loss/value_avg", "val/clipfrac_avg"] : [],
        .. options.PretrainingMix is null ? (string[])[] : ["loss/pretraining"],
    ];

    /// <summary>A rollout's metrics.</summary>
    /// <param name="rows">Its responses.</param>
    /// <param name="scores">Σ weight·reward of each.</param>
    /// <param name="learnt">The score as learnt from.</param>
    /// <param name="rewards">With the penalty of the KL where the reward has it.</param>
    /// <param name="bySource">Each source's own rewards.</param>
    /// <param name="klCoefficient">β.</param>
    /// <param name="options">The method.</param>
    public static IReadOnlyList<double> OfRollout(
        IReadOnlyList<RolloutRow> rows, double[] scores, double[] learnt, double[] rewards, double[][] bySource, double klCoefficient, PolicyOptimizationOptions options)
    {
        double complete = rows.Count(static row => row.IsComplete), mean = rewards.Average();
        IEnumerable<double> own = options.Algorithm == PolicyAlgorithm.Grpo
            ?
            [
                mean,
                Math.Sqrt(rewards.Sum(reward => (reward - mean) * (reward - mean)) / Math.Max(1, rewards.Length - 1)),
                rewards.Chunk(options.SamplesPerPrompt).Average(static group => group.Max() - group.Min() < 1e-8 ? 1.0 : 0),
                rows.Average(static row => row.Response.Length),
                1 - (complete / rows.Count),
            ]
            :
            [
                rows.Average(static row => row.Kl),
                rows.Average(static row => -row.LogProbabilities.Sum(static value => (double)value)),
                scores.Average(),
                mean - learnt.Average(),
                mean,
                complete,
            ];
        return [.. own, klCoefficient, .. bySource.Length > 1 ? bySource.Select(static each => each.Average()) : []];
    }
}
