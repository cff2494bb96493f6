namespace MLNet.Gpt;

/// <summary>How sequences are embedded.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public record EmbeddingOptions
{
    /// <summary>How hidden states become one vector. Default <see cref="EmbeddingPooling.Mean"/>, which does better than the last token where a model was not trained for embeddings.</summary>
    public EmbeddingPooling Pooling { get; init; } = EmbeddingPooling.Mean;

    /// <summary>Whether vectors are scaled to length 1, so that a dot product is a cosine. Default true.</summary>
    public bool Normalize { get; init; } = true;

    /// <summary>
    /// What stays of a sequence that has more tokens than the context has positions. Default <see cref="TextTruncation.Head"/>; null makes it an error,
    /// <see cref="PromptTooLongException"/>. <see cref="SequenceEmbedding.DroppedTokenCount"/> tells what was cut.
    /// </summary>
    public TextTruncation? Truncation { get; init; } = TextTruncation.Head;

    /// <summary>The LoRA adapter that the sequences are embedded with, as <see cref="GenerationOptions.Adapter"/>. Null (the default): the base alone.</summary>
    public string? Adapter { get; init; }

    /// <summary>The most sequences that are computed at once, 1 or more. Default 16.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public void Validate()
    {
        if (!Enum.IsDefined(Pooling)) throw new ArgumentOutOfRangeException(nameof(Pooling), Pooling, $"{nameof(Pooling)} is {Pooling}; it must be {EmbeddingPooling.LastToken} or {EmbeddingPooling.Mean}.");
        if (Truncation is { } rule && !Enum.IsDefined(rule))
            throw new ArgumentOutOfRangeException(nameof(Truncation), rule, $"{nameof(Truncation)} is {rule}; it must be one of {string.Join(", ", Enum.GetNames<TextTruncation>())}, or null for an error.");
        if (BatchSize < 1) throw new ArgumentOutOfRangeException(nameof(BatchSize), BatchSize, $"{nameof(BatchSize)} is {BatchSize}; it must be 1 or more.");
    }
}
