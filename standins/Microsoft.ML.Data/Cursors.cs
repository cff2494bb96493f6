namespace Microsoft.ML.Data;

internal static class Cursors
{
    public const string NotOnARow = "Values can't be fetched at this time: the cursor isn't on a row.";

    public static bool[] Active(IEnumerable<DataViewSchema.Column> columnsNeeded, DataViewSchema schema)
    {
        Contracts.CheckValue(columnsNeeded, nameof(columnsNeeded));
        var active = new bool[schema.Count];
        foreach (var column in columnsNeeded)
        {
            Contracts.Check(column.Index < active.Length, $"The requested column: {column} is not part of the sourceSchema");
            active[column.Index] = true;
        }
        return active;
    }

    public static Exception ExceptInactive(DataViewSchema.Column column) =>
        Contracts.ExceptParam(nameof(column), $"requested column '{column.Name}' not active");

    public static Exception ExceptType<TValue>(DataViewSchema.Column column) =>
        Contracts.Except($"Invalid TValue in GetGetter for column #{column.Index} '{column.Name}': '{typeof(TValue)}', expected type: '{column.Type.RawType}'.");
}

/// <summary>A cursor over rows of its own; it ends, and is disposed, where the rows do.</summary>
internal abstract class RootCursor(DataViewSchema schema, IEnumerable<DataViewSchema.Column> columnsNeeded) : DataViewRowCursor
{
    private readonly bool[] _active = Cursors.Active(columnsNeeded, schema);
    private readonly Delegate[] _getters = new Delegate[schema.Count];
    private long _position = -1;
    private bool _disposed;

    public sealed override DataViewSchema Schema => schema;

    public sealed override long Position => _position;

    public override long Batch => 0;

    public sealed override bool IsColumnActive(DataViewSchema.Column column)
    {
        Contracts.Check(column.Index < _active.Length, $"Column index must be between 0 and {_active.Length}");
        return _active[column.Index];
    }

    public sealed override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        if (!IsColumnActive(column))
            throw Cursors.ExceptInactive(column);
        return (_getters[column.Index] ??= CreateGetter(column.Index)) as ValueGetter<TValue> ?? throw Cursors.ExceptType<TValue>(column);
    }

    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId value) =>
    {
        CheckOnARow();
        value = new((ulong)_position, 0);
    };

    public sealed override bool MoveNext()
    {
        if (_disposed)
            return false;
        if (MoveNextCore())
        {
            _position++;
            return true;
        }
        Dispose();
        return false;
    }

    protected void CheckOnARow() => Contracts.Check(_position >= 0, Cursors.NotOnARow);

    protected abstract bool MoveNextCore();

    protected abstract Delegate CreateGetter(int column);

    protected override void Dispose(bool disposing)
    {
        _disposed = true;
        _position = -1;
    }
}
