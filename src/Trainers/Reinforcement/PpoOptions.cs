namespace MLNet.Gpt;

/// <summary>What PPO has beside the clipped policy loss: advantages from a value model, and the value model's own loss.</summary>
/// <remarks>
/// Immutable. Checked with the options that it is a part of. The value model begins as the first reward model among the sources that is on TorchSharp, and else as the policy itself with a head that
/// says 0; where an adapter is trained, it is an adapter and a head too.
/// </remarks>
public sealed record PpoOptions
{
    /// <summary>γ, in [0, 1]: what a reward is worth a token earlier. Default 1 (Ouyang et al. 2022, appendix C.4: no discount).</summary>
    public double Gamma { get; init; } = 1;

    /// <summary>λ of generalised advantage estimation (Schulman et al. 2016, equation 16), in [0, 1]. Default 0.95 (TRL).</summary>
    public double GaeLambda { get; init; } = 0.95;

    /// <summary>ε of the clipped value loss, above 0; +∞ switches clipping off. Default 0.2 (TRL).</summary>
    public double ValueClipRange { get; init; } = 0.2;

    /// <summary>The weight of the value loss, above 0. Default 0.1 (TRL).</summary>
    public double ValueCoefficient { get; init; } = 0.1;

    /// <summary>Rollouts at the beginning that only the value model learns from, 0 or more; the policy stays as it is, bit for bit. 0 (the default) switches it off; a few help a value model that begins with a new head.</summary>
    public int ValueWarmupRollouts { get; init; }

    /// <summary>Whether a rollout's advantages are whitened: mean 0, variance 1 over its tokens (Huang et al. 2022, detail 7). Default true.</summary>
    public bool WhitenAdvantages { get; init; } = true;

    /// <summary>Whether a rollout's rewards are scaled to variance 1 before the advantages, their mean kept (TRL's <c>whiten_rewards</c>). Default false.</summary>
    public bool WhitenRewards { get; init; }

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public PpoOptions Validate()
    {
        OptionCheck.Require(Gamma is >= 0 and <= 1, Gamma, nameof(Gamma), "0 to 1");
        OptionCheck.Require(GaeLambda is >= 0 and <= 1, GaeLambda, nameof(GaeLambda), "0 to 1");
        OptionCheck.Require(ValueClipRange > 0 && !double.IsNaN(ValueClipRange), ValueClipRange, nameof(ValueClipRange), "above 0 (infinity switches clipping off)");
        OptionCheck.Require(ValueCoefficient > 0 && double.IsFinite(ValueCoefficient), ValueCoefficient, nameof(ValueCoefficient), "above 0 and finite");
        OptionCheck.AtLeast(0, ValueWarmupRollouts, nameof(ValueWarmupRollouts));
        return this;
    }
}
