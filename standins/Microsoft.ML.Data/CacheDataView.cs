namespace Microsoft.ML.Data;

/// <summary>Keeps in memory each column that was asked for, reading the input once for those that it lacks.</summary>
internal sealed class CacheDataView(IDataView input) : IDataView
{
    private const int BatchRows = 64;

    private readonly object _lock = new();
    private readonly IColumn[] _columns = new IColumn[input.Schema.Count];
    private List<DataViewRowId> _ids;

    private interface IColumn
    {
        Delegate CreateGetter(Func<int> row);
    }

    public bool CanShuffle => true;

    public DataViewSchema Schema => input.Schema;

    public long? GetRowCount() => _ids?.Count ?? input.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random rand = null) =>
        GetRowCursorSet(columnsNeeded, 1, rand)[0];

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random rand = null)
    {
        Contracts.CheckParam(n > 0, nameof(n), "At least one cursor is needed");
        var needed = columnsNeeded.ToArray();
        Prefetch(needed);
        int[] order = null;
        if (rand is not null)
        {
            order = [.. Enumerable.Range(0, _ids.Count)];
            rand.Shuffle(order);
        }
        n = Math.Min(n, Math.Max(1, (_ids.Count + BatchRows - 1) / BatchRows));
        return [.. Enumerable.Range(0, n).Select(i => new Cursor(this, needed, order, i, n))];
    }

    public void Prefetch(IEnumerable<DataViewSchema.Column> columnsNeeded)
    {
        lock (_lock)
        {
            var missing = columnsNeeded.Where(column => _columns[column.Index] is null).DistinctBy(column => column.Index).ToArray();
            if (missing.Length == 0 && _ids is not null)
                return;
            using var cursor = input.GetRowCursor(missing);
            var readers = missing.Select(column => Generic.Call<(IColumn Column, Action Read)>(CreateColumn<int>, [column.Type.RawType], cursor, column)).ToArray();
            var getId = cursor.GetIdGetter();
            var ids = new List<DataViewRowId>();
            DataViewRowId id = default;
            while (cursor.MoveNext())
            {
                getId(ref id);
                ids.Add(id);
                foreach (var (_, read) in readers)
                    read();
            }
            Contracts.Check(_ids is null || _ids.Count == ids.Count, "The data that is being cached changed its number of rows.");
            for (int i = 0; i < missing.Length; i++)
                _columns[missing[i].Index] = readers[i].Column;
            _ids = ids;
        }
    }

    private static (IColumn, Action) CreateColumn<T>(DataViewRowCursor cursor, DataViewSchema.Column column)
    {
        if (column.Type is VectorDataViewType vector)
            return Generic.Call<(IColumn, Action)>(CreateVectors<int>, [vector.ItemType.RawType], cursor, column);
        var get = cursor.GetGetter<T>(column);
        var values = new Values<T>([], (in T from, ref T to) => to = from);
        return (values, () =>
        {
            T value = default;
            get(ref value);
            values.Rows.Add(value);
        });
    }

    private static (IColumn, Action) CreateVectors<T>(DataViewRowCursor cursor, DataViewSchema.Column column)
    {
        var get = cursor.GetGetter<VBuffer<T>>(column);
        var values = new Values<VBuffer<T>>([], (in VBuffer<T> from, ref VBuffer<T> to) => from.CopyTo(ref to));
        return (values, () =>
        {
            VBuffer<T> value = default;
            get(ref value);
            values.Rows.Add(value);
        });
    }

    private delegate void Copy<T>(in T from, ref T to);

    private sealed record Values<T>(List<T> Rows, Copy<T> Copy) : IColumn
    {
        public Delegate CreateGetter(Func<int> row) => (ValueGetter<T>)((ref T value) => Copy(Rows[row()], ref value));
    }

    /// <summary>One of n cursors: it takes every n-th batch of rows.</summary>
    private sealed class Cursor(CacheDataView cache, IEnumerable<DataViewSchema.Column> columnsNeeded, int[] order, int first, int n)
        : RootCursor(cache.Schema, columnsNeeded)
    {
        private int _index = -1;

        public override long Batch => _index < 0 ? 0 : _index / BatchRows;

        public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId value) => value = cache._ids[Row()];

        protected override bool MoveNextCore()
        {
            _index = _index < 0 ? first * BatchRows
                : (_index + 1) % BatchRows != 0 ? _index + 1
                : _index + 1 + (n - 1) * BatchRows;
            return _index < cache._ids.Count;
        }

        protected override Delegate CreateGetter(int column) => cache._columns[column].CreateGetter(Row);

        private int Row()
        {
            CheckOnARow();
            return order is null ? _index : order[_index];
        }
    }
}
