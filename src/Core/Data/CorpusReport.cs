namespace MLNet.Gpt;

/// <summary>What <see cref="Corpus.Build"/> found and wrote. Token counts include one end-of-text id a document.</summary>
public sealed record CorpusReport
{
    /// <summary>Documents taken from the source: the sum of those kept, the duplicates and the empty ones.</summary>
    public required long DocumentsRead { get; init; }

    /// <summary>Documents left out because an equal one came before.</summary>
    public required long DuplicatesRemoved { get; init; }

    /// <summary>Documents left out because they were null, empty or white space alone.</summary>
    public required long EmptyDocumentsSkipped { get; init; }

    /// <summary>Documents on the training side. Split by position, a document is counted on each side that has a part of it.</summary>
    public required long TrainDocuments { get; init; }

    /// <summary>Documents on the validation side.</summary>
    public required long ValidationDocuments { get; init; }

    /// <summary>Tokens on the training side.</summary>
    public required long TrainTokens { get; init; }

    /// <summary>Tokens on the validation side.</summary>
    public required long ValidationTokens { get; init; }

    /// <summary>Bytes of the training text in UTF-8.</summary>
    public required long TrainTextBytes { get; init; }

    /// <summary>Bytes of the validation text in UTF-8; with the validation loss they give bits per byte.</summary>
    public required long ValidationTextBytes { get; init; }

    /// <summary>The report in two lines.</summary>
    public override string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture,
        $"{DocumentsRead:N0} documents read, {DuplicatesRemoved:N0} duplicates removed, {EmptyDocumentsSkipped:N0} empty ones skipped.\nTraining: {TrainDocuments:N0} documents, {TrainTokens:N0} tokens. Validation: {ValidationDocuments:N0} documents, {ValidationTokens:N0} tokens.");
}
