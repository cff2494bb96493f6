namespace MLNet.Gpt;

/// <summary>Reads the micro-batches of a run, one ahead of the computation, on another thread.</summary>
internal sealed class BatchLoader(PackedRows rows, int batchSize, long seed, BatchPosition start) : IDisposable
{
    private readonly BatchOrder _order = new(rows, seed, start);
    private Task<TrainingBatch>? _ahead;

    /// <summary>The next batch.</summary>
    public TrainingBatch Next()
    {
        TrainingBatch batch = (_ahead ?? Task.Run(Read)).GetAwaiter().GetResult();
        _ahead = Task.Run(Read);
        return batch;
    }

    /// <summary>Waits for the read under way: the rows may be closed afterwards.</summary>
    public void Dispose() => _ahead?.Wait();

    private TrainingBatch Read()
    {
        int t = rows.ContextLength;
        var inputs = new long[batchSize * t];
        var targets = new long[batchSize * t];
        var starts = new long[batchSize];
        _order.Next(starts);
        for (int b = 0; b < batchSize; b++) rows.CopyRow(starts[b], inputs.AsSpan(b * t, t), targets.AsSpan(b * t, t));
        return new(inputs, targets, starts, _order.Position);
    }
}
