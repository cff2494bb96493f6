namespace MLNet.Gpt;

/// <summary>The order of the examples: shuffled by the seed and the epoch, sorted by length within windows, so that the rows of a batch need little padding.</summary>
internal static class TaskBatches
{
    /// <summary>One epoch's batches.</summary>
    /// <param name="examples">All examples.</param>
    /// <param name="batchSize">Examples of a batch; one batch of an epoch may have fewer.</param>
    /// <param name="windowBatches">The batches of a window; 1 does not sort.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="epoch">From 0.</param>
    public static IReadOnlyList<TaskExample[]> Of(IReadOnlyList<TaskExample> examples, int batchSize, int windowBatches, long seed, int epoch)
    {
        var random = new Random(unchecked((int)((seed * 0x9E3779B1) + epoch)));
        TaskExample[] order = [.. examples];
        random.Shuffle(order);
        List<TaskExample[]> batches = [];
        foreach (TaskExample[] window in order.Chunk((int)Math.Clamp((long)batchSize * windowBatches, 1, Math.Max(1, order.Length))))
            batches.AddRange((windowBatches == 1 ? window : [.. window.OrderBy(static example => example.Width)]).Chunk(batchSize));
        TaskExample[][] shuffled = [.. batches];
        random.Shuffle(shuffled);
        return shuffled;
    }
}
