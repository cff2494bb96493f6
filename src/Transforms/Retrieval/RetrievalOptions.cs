namespace MLNet.Gpt;

/// <summary>How passages get into a conversation.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record RetrievalOptions
{
    /// <summary>The most passages, 1 or more. Default 4.</summary>
    public int Top { get; init; } = 4;

    /// <summary>The most tokens of the passages together, 1 or more. Default 512. Passages are taken from the nearest on while they fit.</summary>
    public int MaxTokens { get; init; } = 512;

    /// <summary>Passages of a worse score are left out, as the store counts scores. Null (the default) leaves none out.</summary>
    public double? ScoreThreshold { get; init; }

    /// <summary>What stands between passages. Default a blank line.</summary>
    public string Separator { get; init; } = "\n\n";

    /// <summary>What stands before the passages in the system message. Default "Answer with the help of these passages:" and a line break.</summary>
    public string Introduction { get; init; } = "Answer with the help of these passages:\n";

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentException">A value is outside its range.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Top, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxTokens, 1);
        ArgumentNullException.ThrowIfNull(Separator);
        ArgumentNullException.ThrowIfNull(Introduction);
    }
}
