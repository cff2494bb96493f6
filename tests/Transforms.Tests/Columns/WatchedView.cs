using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Transforms.Tests.Columns;

/// <summary>Rows of a text and of a vector in a buffer that is used again, in batches of two, which tell how they are read.</summary>
internal sealed class WatchedView : IDataView
{
    private readonly string[] _texts;

    public WatchedView(params string[] texts)
    {
        _texts = texts;
        var schema = new DataViewSchema.Builder();
        schema.AddColumn("Text", TextDataViewType.Instance);
        schema.AddColumn("Pair", new VectorDataViewType(NumberDataViewType.Single, 2));
        Schema = schema.ToSchema();
    }

    public DataViewSchema Schema { get; }

    public bool CanShuffle => true;

    /// <summary>The cursors and rows that have not been disposed.</summary>
    public int Open { get; private set; }

    /// <summary>What the last cursor, or set of them, was to be shuffled with.</summary>
    public Random? Shuffling { get; private set; }

    /// <summary>The columns that it was asked for.</summary>
    public string Needed { get; private set; } = "";

    public long? GetRowCount() => _texts.Length;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        (Shuffling, Needed) = (rand, string.Join(' ', columnsNeeded.Select(static column => column.Name)));
        return new Cursor(this, 0, _texts.Length);
    }

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null)
    {
        (Shuffling, Needed) = (rand, string.Join(' ', columnsNeeded.Select(static column => column.Name)));
        return [new Cursor(this, 0, 2), new Cursor(this, 2, _texts.Length)];
    }

    private sealed class Cursor : DataViewRowCursor
    {
        private readonly WatchedView _view;
        private readonly float[] _buffer = new float[2];
        private readonly int _end;
        private int _at;
        private bool _disposed;

        public Cursor(WatchedView view, int first, int end)
        {
            (_view, _at, _end) = (view, first - 1, end);
            view.Open++;
        }

        public override DataViewSchema Schema => _view.Schema;

        public override long Position => _at;

        public override long Batch => _at / 2;

        public override bool IsColumnActive(DataViewSchema.Column column) => _view.Needed.Contains(column.Name, StringComparison.Ordinal);

        public override bool MoveNext() => ++_at < _end;

        public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId id) => id = new((ulong)_at, 0);

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            Delegate getter = column.Name == "Text"
                ? (ValueGetter<ReadOnlyMemory<char>>)((ref ReadOnlyMemory<char> value) => value = _view._texts[_at].AsMemory())
                : (ValueGetter<VBuffer<float>>)((ref VBuffer<float> value) =>
                {
                    (_buffer[0], _buffer[1]) = (_at, -_at);
                    VBufferEditor<float> editor = VBufferEditor.Create(ref value, 2);
                    _buffer.CopyTo(editor.Values);
                    value = editor.Commit();
                });
            return (ValueGetter<TValue>)getter;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing && !_disposed) _view.Open--;
            _disposed = true;
            base.Dispose(disposing);
        }
    }
}
