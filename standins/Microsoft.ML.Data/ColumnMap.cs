namespace Microsoft.ML.Data;

/// <summary>Output columns that each are an input column, perhaps under another name.</summary>
internal sealed class ColumnMap : IRowToRowMapper
{
    public ColumnMap(DataViewSchema inputSchema, IReadOnlyList<(string Name, int Source)> columns)
    {
        InputSchema = inputSchema;
        Sources = [.. columns.Select(column => column.Source)];
        var schema = new DataViewSchema.Builder();
        foreach (var (name, source) in columns)
            schema.AddColumn(name, inputSchema[source].Type, inputSchema[source].Annotations);
        OutputSchema = schema.ToSchema();
    }

    public DataViewSchema InputSchema { get; }

    public DataViewSchema OutputSchema { get; }

    public int[] Sources { get; }

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns)
    {
        var needed = dependingColumns.Select(column => Sources[column.Index]).ToHashSet();
        return InputSchema.Where(column => needed.Contains(column.Index)).ToArray();
    }

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns) =>
        new MappedRow(input, this, Cursors.Active(activeColumns, OutputSchema));
}

/// <summary>A data view whose rows are another's, mapped.</summary>
internal sealed class MappedDataView(IDataView input, IRowToRowMapper map) : IDataView
{
    public bool CanShuffle => input.CanShuffle;

    public DataViewSchema Schema => map.OutputSchema;

    public long? GetRowCount() => input.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random rand = null) =>
        Wrap(input.GetRowCursor(map.GetDependencies(columnsNeeded), rand), columnsNeeded);

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random rand = null) =>
        Array.ConvertAll(input.GetRowCursorSet(map.GetDependencies(columnsNeeded), n, rand), cursor => Wrap(cursor, columnsNeeded));

    private DataViewRowCursor Wrap(DataViewRowCursor cursor, IEnumerable<DataViewSchema.Column> columnsNeeded) =>
        new MappedCursor(cursor, map.GetRow(cursor, columnsNeeded));
}

/// <summary>A row that shows some of another row's columns, in an order and under names of its own.</summary>
internal sealed class MappedRow(DataViewRow input, ColumnMap map, bool[] active) : DataViewRow
{
    public override DataViewSchema Schema => map.OutputSchema;

    public override long Position => input.Position;

    public override long Batch => input.Batch;

    public override bool IsColumnActive(DataViewSchema.Column column) => active[column.Index];

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        // Where the source is inactive too, the input says so itself.
        var source = input.Schema[map.Sources[column.Index]];
        Contracts.Check(IsColumnActive(column) || !input.IsColumnActive(source), $"Column '{column.Name}' isn't active.");
        return input.GetGetter<TValue>(source);
    }

    public override ValueGetter<DataViewRowId> GetIdGetter() => input.GetIdGetter();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            input.Dispose();
    }
}

/// <summary>A cursor that moves with another and shows a row made of it.</summary>
internal sealed class MappedCursor(DataViewRowCursor input, DataViewRow row) : DataViewRowCursor
{
    public override DataViewSchema Schema => row.Schema;

    public override long Position => input.Position;

    public override long Batch => input.Batch;

    public override bool MoveNext() => input.MoveNext();

    public override bool IsColumnActive(DataViewSchema.Column column) => row.IsColumnActive(column);

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) => row.GetGetter<TValue>(column);

    public override ValueGetter<DataViewRowId> GetIdGetter() => input.GetIdGetter();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            input.Dispose();
    }
}
