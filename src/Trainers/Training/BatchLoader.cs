using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Reads the micro-batches of a run one ahead of the computation, on another thread.</summary>
internal sealed class BatchLoader(PackedRows rows, int batchSize, int seed, BatchPosition start) : IDisposable
{
    private readonly BatchOrder order = new(rows, seed, start);
    private Task<(long[] Ids, long[] Targets, BatchPosition After)>? ahead;

    /// <summary>Where the next batch begins: what a checkpoint stores.</summary>
    public BatchPosition Position { get; private set; } = start;

    /// <summary>The next batch on a device: ids and targets, (B, T) and (B·T) int64.</summary>
    public (Tensor Ids, Tensor Targets) Next(Device device)
    {
        (long[] ids, long[] targets, BatchPosition after) = (ahead ?? Task.Run(Read)).GetAwaiter().GetResult();
        ahead = Task.Run(Read);
        Position = after;
        return (tensor(ids, device).view(batchSize, rows.ContextLength), tensor(targets, device));
    }

    public void Dispose() => ahead?.GetAwaiter().GetResult();

    private (long[], long[], BatchPosition) Read()
    {
        int t = rows.ContextLength;
        var ids = new long[batchSize * t];
        var targets = new long[batchSize * t];
        var row = new int[t + 1];
        for (int b = 0; b < batchSize; b++)
        {
            order.Next(row);
            for (int i = 0; i < t; i++)
            {
                ids[(b * t) + i] = row[i];
                targets[(b * t) + i] = row[i + 1];
            }
        }

        return (ids, targets, order.Position);
    }
}
