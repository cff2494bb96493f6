namespace Microsoft.ML.Data;

/// <summary>A 128-bit number that names a row, whichever cursor shows it.</summary>
public readonly struct DataViewRowId : IComparable<DataViewRowId>, IEquatable<DataViewRowId>
{
    private readonly ulong _low;
    private readonly ulong _high;

    internal DataViewRowId(ulong low, ulong high)
    {
        _low = low;
        _high = high;
    }

    public int CompareTo(DataViewRowId other) => (_high, _low).CompareTo((other._high, other._low));

    public bool Equals(DataViewRowId other) => _low == other._low && _high == other._high;

    public override bool Equals(object obj) => obj is DataViewRowId other && Equals(other);

    public override int GetHashCode() => HashCode.Combine(_low, _high);

    public override string ToString() => $"{_high:x16}{_low:x16}";
}
