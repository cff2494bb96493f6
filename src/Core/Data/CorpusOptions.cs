namespace MLNet.Gpt;

/// <summary>How <see cref="Corpus.Build"/> makes token files of documents.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record CorpusOptions
{
    /// <summary>The share of the documents (or of each document's characters) for validation, in [0, 1). Default 0.1, nanoGPT's for small corpora; 0 writes no validation file.</summary>
    public double ValidationFraction { get; init; } = 0.1;

    /// <summary>By document (the default) or by position.</summary>
    public CorpusSplit Split { get; init; } = CorpusSplit.ByDocument;

    /// <summary>Decides, with a document's hash, its side of the split. Default 0. Not read with <see cref="CorpusSplit.ByPosition"/>, which has no chance in it.</summary>
    public long Seed { get; init; }

    /// <summary>
    /// Whether only the first of equal documents is kept. Default true: a copy on both sides of the split would flatter the validation loss.
    /// Costs about 40 bytes of memory a document. With false, copies are kept, on the same side when split by document.
    /// </summary>
    public bool RemoveDuplicates { get; init; } = true;

    /// <summary>The most threads that tokenize, 1 or more; null (the default) takes one for each processor. The result does not depend on it.</summary>
    public int? MaxThreads { get; init; }

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public CorpusOptions Validate()
    {
        if (!(ValidationFraction >= 0 && ValidationFraction < 1))
            throw new ArgumentOutOfRangeException(nameof(ValidationFraction), ValidationFraction, FormattableString.Invariant($"{nameof(ValidationFraction)} is {ValidationFraction}; it must be at least 0 (no validation) and below 1."));
        if (!Enum.IsDefined(Split)) throw new ArgumentOutOfRangeException(nameof(Split), Split, $"{nameof(Split)} is {Split}; choose {CorpusSplit.ByDocument} or {CorpusSplit.ByPosition}.");
        if (MaxThreads < 1) throw new ArgumentOutOfRangeException(nameof(MaxThreads), MaxThreads, $"{nameof(MaxThreads)} is {MaxThreads}; it must be 1 or more, or null for one a processor.");
        return this;
    }
}
