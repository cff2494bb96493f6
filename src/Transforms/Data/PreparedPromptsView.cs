using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>One side of prepared prompts: the rows of a view that are on it, some prompts written anew. Thread-safe by way of one cursor a thread.</summary>
internal sealed class PreparedPromptsView(IDataView source, string promptColumnName, PromptPlan plan, int side) : IDataView
{
    private readonly int _promptIndex = source.Schema[promptColumnName].Index;

    public bool CanShuffle => source.CanShuffle;

    public DataViewSchema Schema => source.Schema;

    public long? GetRowCount() => plan.Sides.Values.LongCount(one => one == side);

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null) => new Cursor(source.GetRowCursor(columnsNeeded, rand), this);

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [.. source.GetRowCursorSet(columnsNeeded, n, rand).Select(cursor => new Cursor(cursor, this))];

    private sealed class Cursor : DataViewRowCursor
    {
        private readonly DataViewRowCursor _input;
        private readonly PreparedPromptsView _view;
        private readonly ValueGetter<DataViewRowId> _id;
        private DataViewRowId _current;
        private long _position = -1;

        public Cursor(DataViewRowCursor input, PreparedPromptsView view) => (_input, _view, _id) = (input, view, input.GetIdGetter());

        public override DataViewSchema Schema => _view.Schema;

        public override long Position => _position;

        public override long Batch => _input.Batch;

        private PromptPlan Plan => _view.Plan;

        public override bool IsColumnActive(DataViewSchema.Column column) => _input.IsColumnActive(column);

        public override ValueGetter<DataViewRowId> GetIdGetter() => _input.GetIdGetter();

        public override bool MoveNext()
        {
            while (_input.MoveNext())
            {
                _id(ref _current);
                if (!Plan.Sides.TryGetValue(_current, out int side) || side != _view.Side) continue;
                _position++;
                return true;
            }

            return false;
        }

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            ValueGetter<TValue> getter = _input.GetGetter<TValue>(column);
            if (column.Index != _view._promptIndex || getter is not ValueGetter<ReadOnlyMemory<char>> original) return getter;
            ValueGetter<ReadOnlyMemory<char>> masked = (ref ReadOnlyMemory<char> value) =>
            {
                if (Plan.Masked.TryGetValue(_current, out string? text)) value = text.AsMemory();
                else original(ref value);
            };
            return (ValueGetter<TValue>)(Delegate)masked;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) _input.Dispose();
            base.Dispose(disposing);
        }
    }

    private PromptPlan Plan => plan;

    private int Side => side;
}
