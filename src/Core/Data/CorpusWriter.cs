namespace MLNet.Gpt;

/// <summary>Places documents on the two sides of a corpus and writes them.</summary>
/// <remarks>
/// Split by document, a side could stay empty by chance in a small corpus. So, as long as all documents have fallen on one side, the one
/// whose number lies nearest the other side is held back in memory; when the last document has come and the other side is still empty, it goes there.
/// Not where copies are kept: one of them could end up on the other side.
/// </remarks>
internal sealed class CorpusWriter : IDisposable
{
    private readonly double _fraction;
    private readonly Side _train, _validation;
    private (CorpusDocument Document, Side Side)? _held;
    private bool _bothSeen;

    public CorpusWriter(string folder, GptTokenizer tokenizer, CorpusOptions options)
    {
        _fraction = options.ValidationFraction;
        _bothSeen = options.Split == CorpusSplit.ByPosition || _fraction == 0 || !options.RemoveDuplicates;
        _train = new(Path.Combine(folder, Corpus.TrainFileName), tokenizer);
        try
        {
            _validation = new(Path.Combine(folder, Corpus.ValidationFileName), tokenizer);
        }
        catch
        {
            _train.Dispose();
            throw;
        }
    }

    public long TokensWritten => _train.Tokens + _validation.Tokens;

    /// <summary>Writes a document, or the two parts of one.</summary>
    public void Add(CorpusDocument document)
    {
        if (document.Validation is { } tail)
        {
            _train.Write(document.Train);
            _validation.Write(tail);
            return;
        }

        Side side = document.Draw < _fraction ? _validation : _train;
        if (_bothSeen)
        {
            side.Write(document.Train);
        }
        else if (_held is not { } held)
        {
            _held = (document, side);
        }
        else if (held.Side != side)
        {
            Release(held.Side);
            side.Write(document.Train);
        }
        else
        {
            bool nearer = side == _train ? document.Draw < held.Document.Draw : document.Draw > held.Document.Draw;
            if (nearer) _held = (document, side);
            side.Write((nearer ? held.Document : document).Train);
        }
    }

    /// <summary>Completes the files and reports; the other numbers of the report are the caller's.</summary>
    /// <exception cref="EmptyCorpusException">There is one document only, and it can't be on two sides.</exception>
    public CorpusReport Complete(long read, long duplicates, long empty)
    {
        if (_held is { } held)
        {
            Side other = held.Side == _train ? _validation : _train;
            if (held.Side.Documents == 0)
                throw new EmptyCorpusException($"The corpus has a single document{(duplicates + empty > 0 ? FormattableString.Invariant($" (read {read}, duplicates {duplicates}, empty {empty})") : "")}, which can't be split by document into training and validation text. Split it by position ({nameof(CorpusOptions)}.{nameof(CorpusOptions.Split)}, a trainer's SplitByPosition), set {nameof(CorpusOptions.ValidationFraction)} to 0, or give a validation set of its own.");
            Release(other);
        }

        if (_train.Documents == 0)
            throw new EmptyCorpusException(FormattableString.Invariant($"No training text is left of {read} documents. Lower {nameof(CorpusOptions.ValidationFraction)}, which is {_fraction}, or add text."));
        _train.Complete();
        if (_validation.Documents > 0) _validation.Complete();
        else if (_fraction > 0) throw new EmptyCorpusException(FormattableString.Invariant($"No document, or no character, falls within the validation fraction {_fraction}. Raise it, choose another seed, or set it to 0 for no validation."));
        return new()
        {
            DocumentsRead = read,
            DuplicatesRemoved = duplicates,
            EmptyDocumentsSkipped = empty,
            TrainDocuments = _train.Documents,
            ValidationDocuments = _validation.Documents,
            TrainTokens = _train.Tokens,
            ValidationTokens = _validation.Tokens,
            TrainTextBytes = _train.TextBytes,
            ValidationTextBytes = _validation.TextBytes,
        };
    }

    public void Dispose()
    {
        _train.Dispose();
        _validation.Dispose();
    }

    private void Release(Side side)
    {
        side.Write(_held!.Value.Document.Train);
        _held = null;
        _bothSeen = true;
    }

    private sealed class Side(string path, GptTokenizer tokenizer) : IDisposable
    {
        private readonly TokenFileWriter _writer = new(path, tokenizer);

        public long Documents => _writer.DocumentCount;

        public long Tokens => _writer.TokenCount;

        public long TextBytes { get; private set; }

        public void Write(CorpusText text)
        {
            if (text.Tokens.Length == 0) return;
            _writer.Append(text.Tokens, text.ByteCount);
            TextBytes += text.ByteCount;
        }

        public void Complete() => _writer.Complete();

        public void Dispose() => _writer.Dispose();
    }
}
