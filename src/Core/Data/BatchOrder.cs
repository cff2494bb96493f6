namespace MLNet.Gpt;

/// <summary>
/// The order in which training sees the rows: endless, each row once an epoch, each epoch in another order and cut into rows
/// at another place (the first 0 to T - 1 tokens are skipped), all decided by the seed.
/// </summary>
/// <remarks>
/// The order is computed, not stored: a keyed permutation gives the row for any position of any epoch, so that it needs no
/// memory, however large the file is, and resuming is immediate. A batch that an epoch's end cuts short is filled up from the
/// next epoch. Not thread-safe; one thread (the loader's) draws from it.
/// </remarks>
internal sealed class BatchOrder
{
    private readonly ulong _seed;
    private BatchPosition _position;
    private FeistelPermutation _permutation;
    private int _offset;

    /// <summary>Begins at a position: the default one is the start, a saved one continues exactly there.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="seed">Decides the order.</param>
    /// <param name="position">Where to begin.</param>
    /// <exception cref="ArgumentOutOfRangeException">The rows have no such position: they are not those that it was saved for.</exception>
    public BatchOrder(PackedRows rows, long seed, BatchPosition position = default)
    {
        ArgumentNullException.ThrowIfNull(rows);
        Rows = rows;
        Seed = seed;
        _seed = RandomBits.Mix(unchecked((ulong)seed));
        Seek(position);
    }

    /// <summary>The rows.</summary>
    public PackedRows Rows { get; }

    /// <summary>The seed.</summary>
    public long Seed { get; }

    /// <summary>Where the next row will come from; save it to continue there.</summary>
    public BatchPosition Position => _position;

    /// <summary>The number of rows of an epoch; epochs differ by one at most, because they skip different numbers of tokens.</summary>
    /// <param name="epoch">From 0.</param>
    public long RowsInEpoch(long epoch) => Rows.RowCountFrom(OffsetOf(epoch));

    /// <summary>Goes to another position.</summary>
    /// <param name="position">An epoch from 0, and an index from 0 to that epoch's number of rows.</param>
    /// <exception cref="ArgumentOutOfRangeException">The rows have no such position.</exception>
    public void Seek(BatchPosition position)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position.Epoch, nameof(position));
        ArgumentOutOfRangeException.ThrowIfNegative(position.Index, nameof(position));
        if (position.Index > RowsInEpoch(position.Epoch))
            throw new ArgumentOutOfRangeException(nameof(position), position, $"Epoch {position.Epoch} has {RowsInEpoch(position.Epoch)} rows; the position was saved for other data or another context length.");
        _position = position;
        BeginEpoch();
    }

    /// <summary>Gives the next rows, and moves on.</summary>
    /// <param name="rowStarts">Is filled with the rows' starts, for <see cref="PackedRows.CopyRow(long, Span{long})"/>; as long as the batch.</param>
    public void Next(Span<long> rowStarts)
    {
        for (int i = 0; i < rowStarts.Length; i++)
        {
            if (_position.Index == _permutation.Count)
            {
                _position = new(_position.Epoch + 1, 0);
                BeginEpoch();
            }

            rowStarts[i] = _offset + (_permutation[_position.Index] * Rows.ContextLength);
            _position = _position with { Index = _position.Index + 1 };
        }
    }

    private void BeginEpoch()
    {
        _offset = OffsetOf(_position.Epoch);
        _permutation = new(Rows.RowCountFrom(_offset), EpochKey(_position.Epoch));
    }

    private int OffsetOf(long epoch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        return (int)RandomBits.Below(RandomBits.Mix(EpochKey(epoch) ^ 0x6F66667365740000), (ulong)Rows.MaxOffset + 1); // "offset"
    }

    private ulong EpochKey(long epoch) => RandomBits.Mix(_seed + (ulong)epoch);
}
