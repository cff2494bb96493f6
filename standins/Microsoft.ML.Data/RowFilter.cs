namespace Microsoft.ML.Data;

/// <summary>
/// Some of another view's rows, in its order. Which rows those are may depend on the ones before, so that there is one
/// cursor and no shuffling.
/// </summary>
/// <param name="begin">Makes, for a new cursor, the function that says what to do with its next row.</param>
internal sealed class RowFilter(IDataView input, Func<Func<RowFilter.Verdict>> begin) : IDataView
{
    public enum Verdict
    {
        Take,
        Skip,
        Stop,
    }

    public bool CanShuffle => false;

    public DataViewSchema Schema => input.Schema;

    public long? GetRowCount() => null;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random rand = null) =>
        new Cursor(input.GetRowCursor(columnsNeeded), begin());

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random rand = null) =>
        [GetRowCursor(columnsNeeded)];

    private sealed class Cursor(DataViewRowCursor input, Func<Verdict> next) : DataViewRowCursor
    {
        private long _position = -1;

        public override DataViewSchema Schema => input.Schema;

        public override long Position => _position;

        public override long Batch => input.Batch;

        public override bool MoveNext()
        {
            while (next() is var verdict && verdict != Verdict.Stop && input.MoveNext())
            {
                if (verdict == Verdict.Skip)
                    continue;
                _position++;
                return true;
            }
            Dispose();
            return false;
        }

        public override bool IsColumnActive(DataViewSchema.Column column) => input.IsColumnActive(column);

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) => input.GetGetter<TValue>(column);

        public override ValueGetter<DataViewRowId> GetIdGetter() => input.GetIdGetter();

        protected override void Dispose(bool disposing)
        {
            _position = -1;
            if (disposing)
                input.Dispose();
        }
    }
}
