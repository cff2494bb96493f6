namespace Microsoft.ML.Data;

/// <summary>The objects of a sequence as rows. As in the original, it is read in order, by one cursor at a time.</summary>
internal sealed class EnumerableDataView<TRow>(IEnumerable<TRow> data, ObjectColumns<TRow> columns) : IDataView where TRow : class
{
    public bool CanShuffle => false;

    public DataViewSchema Schema => columns.Schema;

    public long? GetRowCount() => (data as ICollection<TRow>)?.Count;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random rand = null) =>
        new Cursor(data.GetEnumerator(), columns, columnsNeeded);

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];

    private sealed class Cursor(IEnumerator<TRow> rows, ObjectColumns<TRow> columns, IEnumerable<DataViewSchema.Column> columnsNeeded)
        : RootCursor(columns.Schema, columnsNeeded)
    {
        private TRow _current;

        protected override bool MoveNextCore()
        {
            _current = null;
            if (!rows.MoveNext())
                return false;
            _current = rows.Current ?? throw Contracts.Except("Encountered null when iterating over data, this is not supported.");
            return true;
        }

        protected override Delegate CreateGetter(int column) =>
            columns.CreateGetter(column, () => _current ?? throw Contracts.Except(Cursors.NotOnARow));

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                rows.Dispose();
            _current = null;
            base.Dispose(disposing);
        }
    }
}
