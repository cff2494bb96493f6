namespace MLNet.Gpt;

/// <summary>
/// The documents of a token file, packed without padding into rows of T + 1 tokens: T inputs, and the same moved on by one as
/// targets. Consecutive rows share one token (the stride is T), so that each token is predicted once in an epoch. A row may
/// run across documents; the end-of-text id stands between them.
/// </summary>
/// <remarks>
/// A view that holds no tokens; the caller keeps the file open. Thread-safe. A row is named by its start, counted from the
/// view's first token.
/// </remarks>
internal sealed class PackedRows
{
    private readonly long _firstToken;

    /// <summary>Packs all documents of a file.</summary>
    /// <param name="file">The tokens.</param>
    /// <param name="contextLength">T, 1 or more.</param>
    /// <param name="source">What the error calls the tokens; null names the file.</param>
    /// <param name="remedy">What the error advises; null to add text or lower the context length.</param>
    /// <exception cref="EmptyCorpusException">There are fewer than T + 1 tokens.</exception>
    public PackedRows(TokenFile file, int contextLength, string? source = null, string? remedy = null)
        : this(file, contextLength, 0, (file ?? throw new ArgumentNullException(nameof(file))).DocumentCount, source, remedy)
    {
    }

    /// <summary>Packs consecutive documents of a file.</summary>
    /// <param name="file">The tokens.</param>
    /// <param name="contextLength">T, 1 or more.</param>
    /// <param name="firstDocument">The first document, from 0.</param>
    /// <param name="documentCount">How many documents, 1 or more.</param>
    /// <param name="source">What the error calls the tokens; null names the file.</param>
    /// <param name="remedy">What the error advises; null to add text or lower the context length.</param>
    /// <exception cref="ArgumentOutOfRangeException">The file does not have these documents.</exception>
    /// <exception cref="EmptyCorpusException">They have fewer than T + 1 tokens.</exception>
    public PackedRows(TokenFile file, int contextLength, int firstDocument, int documentCount, string? source = null, string? remedy = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentOutOfRangeException.ThrowIfLessThan(contextLength, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(firstDocument);
        ArgumentOutOfRangeException.ThrowIfLessThan(documentCount, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(documentCount, file.DocumentCount - firstDocument);
        File = file;
        ContextLength = contextLength;
        _firstToken = file.RangeOf(firstDocument).Start;
        TokenCount = file.RangeOf(firstDocument + documentCount - 1).End - _firstToken;
        if (TokenCount <= contextLength)
        {
            string shorter = TokenCount > 1 ? $", or lower the context length to {TokenCount - 1} or less" : "";
            throw new EmptyCorpusException($"{source ?? $"'{file.Path}'"} gives {TokenCount} tokens; one row of context length {contextLength} needs {contextLength + 1L}. {remedy ?? $"Add text{shorter}."}");
        }
    }

    /// <summary>The token file.</summary>
    public TokenFile File { get; }

    /// <summary>T: the inputs of a row.</summary>
    public int ContextLength { get; }

    /// <summary>The tokens of the view.</summary>
    public long TokenCount { get; }

    /// <summary>The rows from the first token on; fewer than T tokens at the end are left over.</summary>
    public long RowCount => RowCountFrom(0);

    /// <summary>The largest number of tokens that may be skipped before the first row: T - 1, or less where no row would be left.</summary>
    public int MaxOffset => (int)Math.Min(ContextLength - 1, TokenCount - 1 - ContextLength);

    /// <summary>The rows when the first <paramref name="offset"/> tokens are skipped.</summary>
    /// <param name="offset">0 to <see cref="MaxOffset"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The offset is outside its range.</exception>
    public long RowCountFrom(int offset)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, MaxOffset);
        return (TokenCount - 1 - offset) / ContextLength;
    }

    /// <summary>Copies a row's T + 1 tokens.</summary>
    /// <param name="start">Where the row begins: 0 to <see cref="TokenCount"/> - T - 1; row i begins at i·T.</param>
    /// <param name="row">T + 1 elements, which are filled.</param>
    /// <exception cref="ArgumentException">The row is not in the view, or the span has another length.</exception>
    /// <exception cref="CorruptFileException">One of the tokens is outside the vocabulary.</exception>
    public void CopyRow(long start, Span<int> row)
    {
        Check(start, row.Length, ContextLength + 1);
        File.Read(_firstToken + start, row);
    }

    /// <summary>Copies a row's T + 1 tokens as 64-bit numbers.</summary>
    /// <param name="start">Where the row begins: 0 to <see cref="TokenCount"/> - T - 1; row i begins at i·T.</param>
    /// <param name="row">T + 1 elements, which are filled.</param>
    /// <exception cref="ArgumentException">The row is not in the view, or the span has another length.</exception>
    /// <exception cref="CorruptFileException">One of the tokens is outside the vocabulary.</exception>
    public void CopyRow(long start, Span<long> row)
    {
        Check(start, row.Length, ContextLength + 1);
        File.Read(_firstToken + start, row);
    }

    /// <summary>Copies a row's inputs and targets: tokens 0 to T - 1, and tokens 1 to T.</summary>
    /// <param name="start">Where the row begins: 0 to <see cref="TokenCount"/> - T - 1; row i begins at i·T.</param>
    /// <param name="inputs">T elements, which are filled.</param>
    /// <param name="targets">T elements, which are filled.</param>
    /// <exception cref="ArgumentException">The row is not in the view, or a span has another length.</exception>
    /// <exception cref="CorruptFileException">One of the tokens is outside the vocabulary.</exception>
    public void CopyRow(long start, Span<long> inputs, Span<long> targets)
    {
        Check(start, inputs.Length, ContextLength);
        Check(start, targets.Length, ContextLength);
        File.Read(_firstToken + start, inputs);
        inputs[1..].CopyTo(targets);
        File.Read(_firstToken + start + ContextLength, targets[^1..]);
    }

    /// <summary>The documents that a row touches, for messages.</summary>
    /// <param name="start">Where the row begins.</param>
    /// <exception cref="ArgumentOutOfRangeException">The row is not in the view.</exception>
    public DocumentRange DocumentsOf(long start)
    {
        Check(start, 0, 0);
        return DocumentsOf(start, ContextLength);
    }

    /// <summary>The documents of <paramref name="length"/> tokens and the target of the last one.</summary>
    internal DocumentRange DocumentsOf(long start, int length) => new(File.DocumentOf(_firstToken + start), File.DocumentOf(_firstToken + start + length));

    private void Check(long start, int length, int expectedLength)
    {
        if (start < 0 || start > TokenCount - 1 - ContextLength)
            throw new ArgumentOutOfRangeException(nameof(start), start, $"A row can begin at 0 to {TokenCount - 1 - ContextLength} ({TokenCount} tokens, context length {ContextLength}).");
        if (length != expectedLength)
            throw new ArgumentException($"The span has {length} elements; a row of context length {ContextLength} fills {expectedLength}.");
    }
}
