namespace MLNet.Gpt;

/// <summary>What a policy is rewarded for.</summary>
/// <remarks>Immutable. Checked with the options that it is a part of. A response's score is Σ weight·reward over the sources, then normalised, then clipped, then less the penalty for a missing end.</remarks>
public sealed record PolicyRewardOptions
{
    /// <summary>Reward models and functions, one or more.</summary>
    public IReadOnlyList<PolicyReward> Sources { get; init; } = [];

    /// <summary>What is taken off the score of a response that did not end within <see cref="RolloutOptions.MaxNewTokens"/>, 0 or more. 0 (the default) switches it off; TRL's example takes 1.</summary>
    public double MissingEndPenalty { get; init; }

    /// <summary>What is done to scores before they are learnt from. Default <see cref="RewardNormalization.None"/>.</summary>
    public RewardNormalization Normalization { get; init; } = RewardNormalization.None;

    /// <summary>Scores are kept within ± this after normalisation, above 0; null (the default) does not clip.</summary>
    public double? ClipRange { get; init; }

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">There is no source, or a value is outside its range.</exception>
    public PolicyRewardOptions Validate()
    {
        ArgumentNullException.ThrowIfNull(Sources);
        if (Sources.Count == 0)
            throw new ArgumentException("Reward.Sources is empty, and a policy learns from rewards; give a reward model, its folder, or PolicyReward.Of(a function of prompt and response).", nameof(Sources));
        foreach (PolicyReward source in Sources)
        {
            ArgumentNullException.ThrowIfNull(source, nameof(Sources));
            ArgumentException.ThrowIfNullOrWhiteSpace(source.Name, nameof(PolicyReward.Name));
            OptionCheck.Require(double.IsFinite(source.Weight) && source.Weight != 0, source.Weight, nameof(PolicyReward.Weight), "finite and not 0");
        }

        if (Sources.Select(static source => source.Name).Distinct(StringComparer.Ordinal).Count() < Sources.Count)
            throw new ArgumentException($"Two of Reward.Sources have the same name ({string.Join(", ", Sources.Select(static source => source.Name))}), under which reports tell of them; set {nameof(PolicyReward.Name)}.", nameof(Sources));
        OptionCheck.Require(MissingEndPenalty >= 0 && double.IsFinite(MissingEndPenalty), MissingEndPenalty, nameof(MissingEndPenalty), "0 or more and finite (0 switches it off)");
        OptionCheck.Defined(Normalization, nameof(Normalization));
        OptionCheck.Require(ClipRange is not { } range || (range > 0 && double.IsFinite(range)), ClipRange, nameof(ClipRange), "above 0 and finite, or null for none");
        return this;
    }
}
