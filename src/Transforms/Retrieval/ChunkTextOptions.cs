namespace MLNet.Gpt;

/// <summary>How texts are cut into chunks.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record ChunkTextOptions
{
    /// <summary>The most tokens of a chunk, 1 or more. Default 200: a paragraph or two, of which several fit a prompt.</summary>
    public int MaxTokens { get; init; } = 200;

    /// <summary>
    /// How many of a chunk's last tokens the next one repeats, so that what stands at a border is found: 0 (off) to <see cref="MaxTokens"/> - 1. Default 20. With
    /// <see cref="ChunkUnit.Sentences"/> whole sentences are repeated, as many as have at most so many tokens.
    /// </summary>
    public int OverlapTokens { get; init; } = 20;

    /// <summary>Where texts may be cut. Default <see cref="ChunkUnit.Sentences"/>.</summary>
    public ChunkUnit Unit { get; init; } = ChunkUnit.Sentences;

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public void Validate()
    {
        if (MaxTokens < 1) throw new ArgumentOutOfRangeException(nameof(MaxTokens), MaxTokens, $"{nameof(MaxTokens)} is {MaxTokens}; it must be 1 or more.");
        if (OverlapTokens < 0 || OverlapTokens >= MaxTokens) throw new ArgumentOutOfRangeException(nameof(OverlapTokens), OverlapTokens, $"{nameof(OverlapTokens)} is {OverlapTokens}; it must be 0 to {MaxTokens - 1}, below {nameof(MaxTokens)}.");
        if (!Enum.IsDefined(Unit)) throw new ArgumentOutOfRangeException(nameof(Unit), Unit, $"{nameof(Unit)} is {Unit}; it must be {ChunkUnit.Sentences} or {ChunkUnit.Tokens}.");
    }
}
