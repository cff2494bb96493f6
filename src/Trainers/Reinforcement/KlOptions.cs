namespace MLNet.Gpt;

/// <summary>What holds a policy near its reference.</summary>
/// <remarks>
/// Immutable. Checked with the options that it is a part of. PPO and RLOO take β·KL from the reward, PPO of each token, RLOO of the response; GRPO adds β·k3 to the loss
/// (Shao et al. 2024, equation 3), whatever <see cref="Estimator"/> says, unless <see cref="InReward"/> is set.
/// </remarks>
public sealed record KlOptions
{
    /// <summary>
    /// β, 0 or more: the weight of the penalty, at first where it is adaptive. 0 switches it off. Null (the default) means 0.02 with PPO (Ouyang et al. 2022, appendix C.4), 0.05 with RLOO (TRL)
    /// and 0.04 with GRPO (Shao et al. 2024, section 4.2).
    /// </summary>
    public double? Coefficient { get; init; }

    /// <summary>
    /// How a token's KL is estimated where it is taken from the reward. Default <see cref="KlEstimator.K1"/>, with which the best policy is π_ref·exp(score/β)/Z. <see cref="KlEstimator.K3"/> has less variance and the same mean, but as a
    /// reward another gradient, and so another best policy.
    /// </summary>
    public KlEstimator Estimator { get; init; } = KlEstimator.K1;

    /// <summary>Whether the penalty is part of the reward. Null (the default) means true with PPO and RLOO, false with GRPO, whose penalty is part of the loss; PPO and RLOO have no other.</summary>
    public bool? InReward { get; init; }

    /// <summary>The KL that an adaptive β holds, nats a response, above 0 (Ziegler et al. 2019, section 2.2). Null (the default) keeps β fixed.</summary>
    public double? Target { get; init; }

    /// <summary>The responses over which an adaptive β follows an error, above 0. Default 10,000 (Ziegler et al. 2019).</summary>
    public double Horizon { get; init; } = 10_000;

    /// <summary>The mean KL of a rollout from the reference, nats a response, above which the run ends before it learns from that rollout; above 0. Null (the default) sets no limit.</summary>
    public double? Limit { get; init; }

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public KlOptions Validate()
    {
        OptionCheck.Require(Coefficient is not { } beta || (beta >= 0 && double.IsFinite(beta)), Coefficient, nameof(Coefficient), "0 or more and finite (0 switches it off)");
        OptionCheck.Defined(Estimator, nameof(Estimator));
        OptionCheck.Require(Target is not { } target || (target > 0 && double.IsFinite(target)), Target, nameof(Target), "above 0 and finite, or null for a fixed coefficient");
        OptionCheck.Require(Horizon > 0 && double.IsFinite(Horizon), Horizon, nameof(Horizon), "above 0 and finite");
        OptionCheck.Require(Limit is not { } limit || (limit > 0 && double.IsFinite(limit)), Limit, nameof(Limit), "above 0 and finite, or null for none");
        return this;
    }
}
