namespace MLNet.Gpt;

/// <summary>How GRPO compares the responses to a prompt, and counts their tokens.</summary>
/// <remarks>Immutable. Checked with the options that it is a part of.</remarks>
public sealed record GrpoOptions
{
    /// <summary>How much each token counts. Default <see cref="GroupLoss.Grpo"/>.</summary>
    public GroupLoss Loss { get; init; } = GroupLoss.Grpo;

    /// <summary>Whether a response's advantage is divided by the deviation of its group's rewards (Shao et al. 2024); false favours neither easy nor hard prompts (Liu et al. 2025). Default true.</summary>
    public bool ScaleByGroup { get; init; } = true;

    /// <summary>Whether responses that did not end are left out of the loss (Yu et al. 2025, section 3.4). Their rewards count in their group all the same. Default false.</summary>
    public bool MaskTruncated { get; init; }

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public GrpoOptions Validate()
    {
        OptionCheck.Defined(Loss, nameof(Loss));
        return this;
    }
}
