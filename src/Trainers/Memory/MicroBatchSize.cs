using System.Globalization;

namespace MLNet.Gpt;

/// <summary>How many rows of a batch are computed at once: a number, the whole batch, or the largest number that fits the memory.</summary>
/// <remarks>Immutable. An <see cref="int"/> converts to it: <c>MicroBatchSize = 4</c>.</remarks>
public readonly record struct MicroBatchSize
{
    private const int AutoValue = -1;
    private readonly int _value;

    private MicroBatchSize(int value) => _value = value;

    /// <summary>All rows of the batch at once.</summary>
    public static MicroBatchSize WholeBatch => default;

    /// <summary>
    /// The largest divisor of the batch that fits the memory, searched for before training begins: on a GPU by trial runs, on a CPU by an estimate that
    /// trial runs correct. A resumed run takes the number that it began with.
    /// </summary>
    public static MicroBatchSize Auto { get; } = new(AutoValue);

    /// <summary>Whether the number is searched for.</summary>
    public bool IsAuto => _value == AutoValue;

    /// <summary>The number, where one was given.</summary>
    public int? Rows => _value > 0 ? _value : null;

    /// <summary>A number of rows.</summary>
    /// <param name="rows">1 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is less than 1.</exception>
    public static MicroBatchSize Of(int rows)
    {
        if (rows < 1) throw new ArgumentOutOfRangeException(nameof(rows), rows, $"MicroBatchSize is {rows}; it must be 1 or more, {nameof(MicroBatchSize)}.{nameof(Auto)} or {nameof(MicroBatchSize)}.{nameof(WholeBatch)}.");
        return new(rows);
    }

    /// <summary>A number of rows.</summary>
    /// <param name="rows">1 or more.</param>
    public static implicit operator MicroBatchSize(int rows) => Of(rows);

    /// <summary>The rows at once of a run whose batches need not be divided evenly: the number that was given, that a resumed run was found to have, or that is searched for.</summary>
    /// <param name="resumed">The run to resume, or null.</param>
    /// <param name="search">Searches.</param>
    /// <returns>Null for all rows of a batch.</returns>
    internal int? Resolve(TrainingCheckpoint? resumed, Func<int> search)
    {
        if (!IsAuto) return Rows;
        if (resumed is null) return search();
        return int.TryParse(resumed.OptionOf(Fingerprint.MicroBatchSize), NumberStyles.None, CultureInfo.InvariantCulture, out int recorded) ? recorded : null;
    }

    /// <summary>The rows at once as an error tells them: one where they are searched for, since that was the least to try.</summary>
    /// <param name="batch">The rows of the batch.</param>
    internal int RowsOf(int batch) => IsAuto ? 1 : Math.Min(Rows ?? batch, batch);

    /// <summary>The number, "Auto" or "WholeBatch".</summary>
    public override string ToString() => IsAuto ? nameof(Auto) : Rows is { } rows ? rows.ToString(CultureInfo.InvariantCulture) : nameof(WholeBatch);
}
