using System.Runtime.ExceptionServices;

namespace MLNet.Gpt;

/// <summary>
/// Reads the micro-batches of a run, one ahead of the computation, on a thread of its own (one of .NET's pool would yield its core for a while after each,
/// and so take it from the computation). A row of the order has the full context; a
/// stage of shorter rows cuts it into equal parts and takes one after the other, so that each token still comes once an epoch,
/// across stages too. What a stage leaves of its last row is left out.
/// </summary>
internal sealed class BatchLoader : IDisposable
{
    private readonly PackedRows _rows;
    private readonly TrainingPlan _plan;
    private readonly BatchOrder _order;
    private readonly long[] _row;
    private readonly long[] _start = new long[1];
    private readonly Thread _reader;
    private readonly object _gate = new();
    private TrainingBatch? _ahead;
    private ExceptionDispatchInfo? _error;
    private bool _closed;
    private int _step, _rowsDone, _part;

    /// <param name="rows">Rows of the full context.</param>
    /// <param name="plan">What comes at which step.</param>
    /// <param name="seed">Decides the order.</param>
    /// <param name="from">Where to begin: behind its last update.</param>
    public BatchLoader(PackedRows rows, TrainingPlan plan, long seed, RunState from)
    {
        (_rows, _plan, _step, _part) = (rows, plan, from.Step, from.RowPart);
        _row = new long[rows.ContextLength + 1];

        // A row that is used in part has been counted as taken: it is drawn again.
        _order = new(rows, seed, _part > 0 ? from.Position with { Index = from.Position.Index - 1 } : from.Position);
        if (_part > 0) Draw();
        _reader = new(ReadAhead) { IsBackground = true, Name = "batches" };
        _reader.Start();
    }

    /// <summary>The next batch.</summary>
    public TrainingBatch Next()
    {
        lock (_gate)
        {
            while (_ahead is null && _error is null) Monitor.Wait(_gate);
            _error?.Throw();
            TrainingBatch batch = _ahead!;
            _ahead = null;
            Monitor.PulseAll(_gate);
            return batch;
        }
    }

    /// <summary>Waits for the read under way: the rows may be closed afterwards.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.PulseAll(_gate);
        }

        _reader.Join();
    }

    private void ReadAhead()
    {
        try
        {
            while (true)
            {
                TrainingBatch batch = Read();
                lock (_gate)
                {
                    _ahead = batch;
                    Monitor.PulseAll(_gate);
                    while (_ahead is not null && !_closed) Monitor.Wait(_gate);
                    if (_closed) return;
                }
            }
        }
        catch (Exception e)
        {
            lock (_gate)
            {
                _error = ExceptionDispatchInfo.Capture(e);
                Monitor.PulseAll(_gate);
            }
        }
    }

    private void Draw()
    {
        _order.Next(_start);
        _rows.CopyRow(_start[0], _row);
    }

    private TrainingBatch Read()
    {
        PlannedStage stage = _plan.StageOf(_step);
        int t = stage.SequenceLength, parts = _rows.ContextLength / t, b = stage.MicroBatchSize;
        if (_step == stage.FirstStep && _rowsDone == 0) _part = 0;
        var inputs = new long[b * t];
        var targets = new long[b * t];
        var starts = new long[b];
        for (int i = 0; i < b; i++)
        {
            if (_part == 0) Draw();
            int offset = _part * t;
            starts[i] = _start[0] + offset;
            _row.AsSpan(offset, t).CopyTo(inputs.AsSpan(i * t));
            _row.AsSpan(offset + 1, t).CopyTo(targets.AsSpan(i * t));
            _part = (_part + 1) % parts;
        }

        _rowsDone += b;
        if (_rowsDone == stage.BatchSize) (_step, _rowsDone) = (_step + 1, 0);
        return new(inputs, targets, starts, _order.Position, _part);
    }
}
