namespace MLNet.Gpt;

/// <summary>What a reward model computes, beyond the shape of its network: how prompt and response become one sequence, and where its head reads.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record RewardHead
{
    /// <summary>Where the head reads. Default <see cref="RewardReadout.LastToken"/>.</summary>
    public RewardReadout Readout { get; init; } = RewardReadout.LastToken;

    /// <summary>
    /// Whether prompts are conversations in JSON that end with a turn of the user, to be written with the model's chat template. False (the default): they are texts.
    /// </summary>
    public bool Conversations { get; init; }

    /// <summary>What happens to a prompt that does not fit the context beside its response, which is never cut. Default <see cref="PromptOverflow.KeepTail"/>.</summary>
    public PromptOverflow Overflow { get; init; } = PromptOverflow.KeepTail;

    /// <summary>What a special token's text in a prompt or a response means. Default <see cref="SpecialTokenHandling.AsText"/>: they are data, not markup.</summary>
    public SpecialTokenHandling SpecialTokens { get; init; } = SpecialTokenHandling.AsText;

    /// <summary>The tokens that the head adds to the vocabulary: 1 with <see cref="RewardReadout.ReadoutToken"/>, else 0.</summary>
    public int AddedTokenCount => Readout == RewardReadout.ReadoutToken ? 1 : 0;

    /// <summary>Checks the values.</summary>
    /// <returns>This head.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public RewardHead Validate()
    {
        foreach ((Enum value, string name) in ((Enum, string)[])[(Readout, nameof(Readout)), (Overflow, nameof(Overflow)), (SpecialTokens, nameof(SpecialTokens))])
        {
            if (!Enum.IsDefined(value.GetType(), value))
                throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it must be one of {string.Join(", ", Enum.GetNames(value.GetType()))}.");
        }

        return this;
    }
}
