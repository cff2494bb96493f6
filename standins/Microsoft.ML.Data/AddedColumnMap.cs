namespace Microsoft.ML.Data;

/// <summary>The input's columns and one more, which is computed from one of them.</summary>
internal sealed class AddedColumnMap : IRowToRowMapper
{
    private readonly int _source;
    private readonly Func<DataViewRow, DataViewSchema.Column, Delegate> _createGetter;

    public AddedColumnMap(
        DataViewSchema inputSchema, DataViewSchema.Column source, string name, DataViewType type, DataViewSchema.Annotations annotations,
        Func<DataViewRow, DataViewSchema.Column, Delegate> createGetter)
    {
        InputSchema = inputSchema;
        _source = source.Index;
        _createGetter = createGetter;
        var schema = new DataViewSchema.Builder();
        schema.AddColumns(inputSchema);
        schema.AddColumn(name, type, annotations);
        OutputSchema = schema.ToSchema();
    }

    public DataViewSchema InputSchema { get; }

    public DataViewSchema OutputSchema { get; }

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns)
    {
        var needed = dependingColumns.Select(column => column.Index == InputSchema.Count ? _source : column.Index).ToHashSet();
        return InputSchema.Where(column => needed.Contains(column.Index)).ToArray();
    }

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns) =>
        new Row(this, input, Cursors.Active(activeColumns, OutputSchema));

    private sealed class Row(AddedColumnMap map, DataViewRow input, bool[] active) : DataViewRow
    {
        public override DataViewSchema Schema => map.OutputSchema;

        public override long Position => input.Position;

        public override long Batch => input.Batch;

        public override bool IsColumnActive(DataViewSchema.Column column) => active[column.Index];

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            if (column.Index < map.InputSchema.Count)
                return input.GetGetter<TValue>(input.Schema[column.Index]);
            Contracts.Check(IsColumnActive(column), $"Column '{column.Name}' isn't active.");
            return map._createGetter(input, input.Schema[map._source]) as ValueGetter<TValue> ?? throw Cursors.ExceptType<TValue>(column);
        }

        public override ValueGetter<DataViewRowId> GetIdGetter() => input.GetIdGetter();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                input.Dispose();
        }
    }
}
