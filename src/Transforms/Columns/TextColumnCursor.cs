using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>
/// Reads rows ahead, keeps the values of their active columns, and runs the operation for all of them, or for the batch of them that a row belongs to, when the first
/// of its values is asked for. Where none of the operation's columns is active it reads row by row. What it holds grows with the rows that are there,
/// up to what the operation gathers. Where a batch fails, each of its rows is run alone when it is asked for, so that a bad row fails by itself.
/// </summary>
internal sealed class TextColumnCursor : DataViewRowCursor
{
    private readonly TextColumnMapper _mapper;
    private readonly DataViewRowCursor _input;
    private readonly Delegate?[] _getters; // by column of the output schema; null where inactive
    private readonly List<ColumnWindow> _windows = [];
    private readonly TextColumnReader? _reader;
    private readonly ValueGetter<DataViewRowId> _getId;

    // The rows read ahead, and which of them the cursor is at: -1 before the first row, their count after the last.
    private readonly List<(TextRow Text, long Batch, DataViewRowId Id)> _rows = [];
    private readonly int _batchSize;
    private int _slot = -1;
    private bool _ended;
    private int[]?[] _batches = []; // by row: the places of the rows that are run with it; null once they have been
    private object?[] _results = []; // by row; null where a row has not been run

    public TextColumnCursor(TextColumnMapper mapper, DataViewRowCursor input, bool[] active)
    {
        _mapper = mapper;
        _input = input;
        bool computes = mapper.AnyOutput(active);
        _batchSize = computes ? mapper.Operation.BatchSize : 1;
        _getId = input.GetIdGetter();
        if (computes) _reader = new TextColumnReader(input, mapper.TextColumns);
        _getters = [.. mapper.InputSchema.Select(column => active[column.Index] ? KeepColumn(column) : null), .. mapper.OutputGetters(active, CurrentResult)];
    }

    public override DataViewSchema Schema => _mapper.OutputSchema;

    public override long Position => IsAtRow ? _rows[_slot].Text.Position : -1;

    public override long Batch => IsAtRow ? _rows[_slot].Batch : 0;

    private bool IsAtRow => (uint)_slot < (uint)_rows.Count;

    public override bool IsColumnActive(DataViewSchema.Column column) => _getters[column.Index] is not null;

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) => TextColumnMapper.Cast<TValue>(_getters[column.Index], column);

    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId value) => value = _rows[CurrentSlot()].Id;

    public override bool MoveNext()
    {
        if (_ended && _slot >= _rows.Count) return false;
        if (++_slot < _rows.Count) return true;
        if (!_ended) ReadAhead();
        return _slot < _rows.Count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _input.Dispose();
        base.Dispose(disposing);
    }

    private void ReadAhead()
    {
        Gather();
        _results = new object?[_rows.Count];
        _batches = new int[_rows.Count][];
        if (_reader is null || _rows.Count < 2) return;
        _mapper.Operation.ThrowIfClosed();
        foreach (int[] batch in _mapper.Operation.Divide([.. _rows.Select(static row => row.Text)]))
        {
            foreach (int slot in batch) _batches[slot] = batch;
        }
    }

    private void Gather()
    {
        _rows.Clear();
        _slot = 0;
        while (_rows.Count < _batchSize)
        {
            if (!_input.MoveNext())
            {
                _ended = true;
                return;
            }

            DataViewRowId id = default;
            _getId(ref id);
            IReadOnlyList<string>[] texts = _reader?.Read() ?? [];
            foreach (ColumnWindow window in _windows)
                window.Store(_rows.Count);
            _rows.Add((new TextRow(_input.Position, texts), _input.Batch, id));
        }
    }

    private Delegate KeepColumn(DataViewSchema.Column column)
    {
        var window = ColumnWindow.Create(_input, column);
        _windows.Add(window);
        return window.CreateGetter(CurrentSlot);
    }

    private object CurrentResult()
    {
        int slot = CurrentSlot();
        _mapper.Operation.ThrowIfClosed();
        if (_batches[slot] is { } batch) RunBatch(batch);
        return _results[slot] ??= _mapper.Operation.RunAlone(_rows[slot].Text);
    }

    private void RunBatch(int[] batch)
    {
        try
        {
            if (batch.Length > 1)
            {
                IReadOnlyList<object> results = _mapper.Operation.Run([.. batch.Select(slot => _rows[slot].Text)]);
                for (int i = 0; i < batch.Length; i++) _results[batch[i]] = results[i];
            }
        }
        catch (Exception exception) when (TextOperation.MayBeOneRows(exception))
        {
            // The row at fault throws the same when it is run alone; the others are not lost with it.
        }

        foreach (int slot in batch) _batches[slot] = null;
    }

    private int CurrentSlot() => IsAtRow
        ? _slot
        : throw new InvalidOperationException("The cursor is at no row: call MoveNext first, and read no value after it has returned false.");
}
