namespace MLNet.Gpt.Core.Tests;

/// <summary>
/// A causal model whose logits are any function of a row's tokens so far. It holds its callers to the contract: padding only on the left of the
/// first call, no more positions than the capacity, no more tokens than the context.
/// </summary>
internal sealed class HistoryModel(int vocabularySize, int contextLength, Func<IReadOnlyList<int>, float[]> logits) : ICausalModel
{
    public GptConfig Config { get; } = new() { VocabularySize = vocabularySize, ContextLength = contextLength };

    public GptDevice Device => GptDevice.Cpu;

    /// <summary>The rows of each call of Append, in order.</summary>
    public List<int> RowsOfCalls { get; } = [];

    /// <summary>Whether each call of Append came with a mask, in order.</summary>
    public List<bool> MaskedCalls { get; } = [];

    /// <summary>The capacity of each decoder that was begun, in order.</summary>
    public List<int> Capacities { get; } = [];

    /// <summary>What each call of Append could have been cancelled with, in order.</summary>
    public List<CancellationToken> CancellationTokens { get; } = [];

    /// <summary>Whether its decoders can be forked, as they can unless this says no.</summary>
    public bool IsForkable { get; init; } = true;

    /// <summary>What joining two decoders throws; null where it works.</summary>
    public Exception? JoinFailure { get; set; }

    public int LargestLogitsBuffer { get; private set; }

    /// <summary>How often a decoder moved its rows together.</summary>
    public int Compactions { get; private set; }

    /// <summary>Whether a decoder was asked for anything after it was disposed.</summary>
    public bool UsedAfterDisposal { get; private set; }

    public int OpenDecoders { get; private set; }

    /// <summary>A table: row i holds the logits after token i.</summary>
    public static HistoryModel Bigram(int contextLength, params float[][] table) => new(table.Length, contextLength, history => table[history[^1]]);

    /// <summary>The logits of which the softmax is this distribution.</summary>
    public static float[] Log(params double[] probabilities) => [.. probabilities.Select(p => (float)Math.Log(p))];

    public ICausalDecoder BeginDecoding(int rowCount, int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rowCount, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        OpenDecoders++;
        Capacities.Add(capacity);
        var decoder = new Decoder(this, rowCount, capacity);
        return IsForkable ? decoder : new Unforkable(decoder);
    }

    public void Dispose()
    {
    }

    private sealed class Unforkable(ICausalDecoder inner) : ICausalDecoder
    {
        public int RowCount => inner.RowCount;

        public int Length => inner.Length;

        public int Capacity => inner.Capacity;

        public void Append(ReadOnlySpan<int> tokenIds, ReadOnlySpan<byte> mask, LogitsScope scope, Span<float> logits, CancellationToken cancellationToken = default) =>
            inner.Append(tokenIds, mask, scope, logits, cancellationToken);

        public void SelectRows(ReadOnlySpan<int> rows) => inner.SelectRows(rows);

        public void Dispose() => inner.Dispose();
    }

    private sealed class Decoder(HistoryModel model, int rowCount, int capacity) : IForkableDecoder
    {
        private List<int>[] _rows = [.. Enumerable.Range(0, rowCount).Select(_ => new List<int>())];
        private bool _disposed;

        public int RowCount
        {
            get
            {
                model.UsedAfterDisposal |= _disposed;
                return _rows.Length;
            }
        }

        public int Length { get; private set; }

        public int Capacity => capacity;

        public void Append(ReadOnlySpan<int> tokenIds, ReadOnlySpan<byte> mask, LogitsScope scope, Span<float> logits, CancellationToken cancellationToken = default)
        {
            int n = CausalDecoderChecks.Validate(this, model.Config, tokenIds, mask, scope, logits);
            int vocabulary = model.Config.VocabularySize;
            model.RowsOfCalls.Add(RowCount);
            model.CancellationTokens.Add(cancellationToken);
            model.MaskedCalls.Add(!mask.IsEmpty);
            model.LargestLogitsBuffer = Math.Max(model.LargestLogitsBuffer, logits.Length);
            logits.Fill(float.NaN); // undefined, unless set below
            for (int b = 0; b < RowCount; b++)
            {
                for (int i = 0; i < n; i++)
                {
                    if (!mask.IsEmpty && mask[(b * n) + i] == 0)
                    {
                        Assert.IsTrue(Length == 0 && _rows[b].Count == 0, "Padding must be on the left of the first call.");
                        continue;
                    }

                    _rows[b].Add(tokenIds[(b * n) + i]);
                    if (_rows[b].Count > model.Config.ContextLength) throw new PromptTooLongException(_rows[b].Count, model.Config.ContextLength, "The caller must not let this happen.");
                    if (scope == LogitsScope.AllPositions) model.Compute(_rows[b]).CopyTo(logits[(((b * n) + i) * vocabulary)..]);
                }

                if (scope == LogitsScope.LastPosition) model.Compute(_rows[b]).CopyTo(logits[(b * vocabulary)..]);
            }

            Length += n;
        }

        public void SelectRows(ReadOnlySpan<int> rows)
        {
            CausalDecoderChecks.ValidateRows(rows, RowCount);
            _rows = [.. rows.ToArray().Select(row => new List<int>(_rows[row]))];
        }

        public IForkableDecoder Fork(int newCapacity)
        {
            CausalDecoderChecks.ValidateFork(this, newCapacity);
            model.OpenDecoders++;
            return new Decoder(model, RowCount, newCapacity) { _rows = [.. _rows.Select(static row => new List<int>(row))], Length = Length };
        }

        public void Truncate(int length)
        {
            CausalDecoderChecks.ValidateTruncate(this, length);
            foreach (List<int> row in _rows) row.RemoveRange(Math.Max(0, row.Count - (Length - length)), Math.Min(row.Count, Length - length));
            Length = length;
        }

        public void Join(IForkableDecoder other)
        {
            CausalDecoderChecks.ValidateJoin(this, other, other is Decoder decoder && decoder.Owner == model);
            if (model.JoinFailure is { } failure) throw failure;
            _rows = [.. _rows, .. ((Decoder)other)._rows];
            Length = Math.Max(Length, other.Length);
            other.Dispose();
        }

        public void Compact()
        {
            model.Compactions++;
            Length = _rows.Max(static row => row.Count);
        }

        public void Dispose()
        {
            _disposed = true;
            model.OpenDecoders--;
        }

        private HistoryModel Owner => model;
    }

    private float[] Compute(List<int> history) => logits(history);
}
