using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>
/// Reads a batch of rows ahead, keeps the values of their active columns, and runs the operation once for all of them when the first
/// of its values is asked for. Where none of the operation's columns is active it reads row by row.
/// </summary>
internal sealed class TextColumnCursor : DataViewRowCursor
{
    private readonly TextColumnMapper _mapper;
    private readonly DataViewRowCursor _input;
    private readonly Delegate?[] _getters; // by column of the output schema; null where inactive
    private readonly List<ColumnWindow> _windows = [];
    private readonly TextColumnReader? _reader;
    private readonly ValueGetter<DataViewRowId> _getId;

    // The rows read ahead, and which of them the cursor is at: -1 before the first row, _count after the last.
    private readonly (TextRow Text, long Batch, DataViewRowId Id)[] _rows;
    private int _count;
    private int _slot = -1;
    private bool _ended;
    private IReadOnlyList<object>? _results;

    public TextColumnCursor(TextColumnMapper mapper, DataViewRowCursor input, bool[] active)
    {
        _mapper = mapper;
        _input = input;
        bool computes = mapper.AnyOutput(active);
        _rows = new (TextRow, long, DataViewRowId)[computes ? mapper.Operation.BatchSize : 1];
        _getId = input.GetIdGetter();
        if (computes) _reader = new TextColumnReader(input, mapper.TextColumns);
        _getters = [.. mapper.InputSchema.Select(column => active[column.Index] ? KeepColumn(column) : null), .. mapper.OutputGetters(active, CurrentResult)];
    }

    public override DataViewSchema Schema => _mapper.OutputSchema;

    public override long Position => IsAtRow ? _rows[_slot].Text.Position : -1;

    public override long Batch => IsAtRow ? _rows[_slot].Batch : 0;

    private bool IsAtRow => (uint)_slot < (uint)_count;

    public override bool IsColumnActive(DataViewSchema.Column column) => _getters[column.Index] is not null;

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) => TextColumnMapper.Cast<TValue>(_getters[column.Index], column);

    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId value) => value = _rows[CurrentSlot()].Id;

    public override bool MoveNext()
    {
        if (_ended && _slot >= _count) return false;
        if (++_slot < _count) return true;
        if (!_ended) ReadAhead();
        return _slot < _count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _input.Dispose();
        base.Dispose(disposing);
    }

    private void ReadAhead()
    {
        _results = null;
        _count = 0;
        _slot = 0;
        while (_count < _rows.Length)
        {
            if (!_input.MoveNext())
            {
                _ended = true;
                return;
            }

            DataViewRowId id = default;
            _getId(ref id);
            _rows[_count] = (new TextRow(_input.Position, _reader?.Read() ?? []), _input.Batch, id);
            foreach (ColumnWindow window in _windows)
                window.Store(_count);
            _count++;
        }
    }

    private Delegate KeepColumn(DataViewSchema.Column column)
    {
        var window = ColumnWindow.Create(_input, column, _rows.Length);
        _windows.Add(window);
        return window.CreateGetter(CurrentSlot);
    }

    private object CurrentResult()
    {
        int slot = CurrentSlot();
        _results ??= _mapper.Operation.Run([.. _rows.Take(_count).Select(row => row.Text)]);
        return _results[slot];
    }

    private int CurrentSlot() => IsAtRow
        ? _slot
        : throw new InvalidOperationException("The cursor is at no row: call MoveNext first, and read no value after it has returned false.");
}
