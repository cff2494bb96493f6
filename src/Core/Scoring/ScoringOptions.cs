namespace MLNet.Gpt;

/// <summary>How sequences are scored.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public record ScoringOptions
{
    /// <summary>The most sequences that are computed at once, 1 or more. Default 8. More is faster and takes more memory for the key/value cache.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>
    /// What happens to a sequence of more tokens than the context has positions. Default <see cref="PromptOverflow.Error"/>. With
    /// <see cref="PromptOverflow.KeepTail"/> only its last tokens are scored, and the first of these is conditioned on the end-of-text token.
    /// </summary>
    public PromptOverflow Overflow { get; init; } = PromptOverflow.Error;

    /// <summary>
    /// The most bytes of logits held at once, 1 or more; default 128 MiB. A position of a sequence takes 4·V bytes; a chunk is never less
    /// than one position of the batch.
    /// </summary>
    public long MaxLogitBytes { get; init; } = 128L << 20;

    /// <summary>The LoRA adapter that the sequences are scored with, as <see cref="GenerationOptions.Adapter"/>. Null (the default): the base alone.</summary>
    public string? Adapter { get; init; }

    /// <summary>The most sequences that are computed at once with V logits for each position: an array of (B, V) numbers has to be possible.</summary>
    internal int RowsFor(int vocabularySize) => TokenGenerator.MostRows(BatchSize, vocabularySize);

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range; the message names it, its value and the range.</exception>
    public void Validate()
    {
        if (BatchSize < 1) throw new ArgumentOutOfRangeException(nameof(BatchSize), BatchSize, $"{nameof(BatchSize)} is {BatchSize}; it must be 1 or more.");
        if (MaxLogitBytes < 1) throw new ArgumentOutOfRangeException(nameof(MaxLogitBytes), MaxLogitBytes, $"{nameof(MaxLogitBytes)} is {MaxLogitBytes}; it must be 1 or more.");
        if (!Enum.IsDefined(Overflow)) throw new ArgumentOutOfRangeException(nameof(Overflow), Overflow, $"{nameof(Overflow)} is {Overflow}; it must be Error or KeepTail.");
    }
}
