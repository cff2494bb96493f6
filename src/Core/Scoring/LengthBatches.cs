namespace MLNet.Gpt;

/// <summary>Divides sequences of unequal length into batches, each padded to its longest, so that little is computed for padding.</summary>
/// <remarks>Without state; may be used from several threads.</remarks>
internal static class LengthBatches
{
    /// <summary>The tokens that are computed at once where nothing else is asked for.</summary>
    public static int DefaultTokens(GptDevice device) => device.IsCuda ? 4_096 : 1_024;

    /// <summary>
    /// What a batch costs besides its tokens, in tokens: reading the weights, and starting each operator. On a CPU a batch of 16 tokens takes about twice the time that they take in a
    /// larger one; on a GPU, estimated and not measured, a batch takes some 0.3 ms more.
    /// </summary>
    public static int Overhead(GptDevice device) => device.IsCuda ? 256 : 16;

    /// <summary>The division that costs least: of all divisions of the items, sorted by length, the one with the fewest tokens, padding and each batch's overhead included.</summary>
    /// <param name="widths">Each item's longest sequence, in tokens, 1 or more.</param>
    /// <param name="rows">Each item's sequences, 1 or more; an item is never divided.</param>
    /// <param name="maxTokens">The tokens of a batch, padding included, 1 or more; an item that has more is a batch by itself. Null for <see cref="DefaultTokens"/>.</param>
    /// <param name="device">Where the batches are computed.</param>
    /// <returns>The items of each batch, by their indices; the longest first, so that memory is taken once.</returns>
    public static IReadOnlyList<int[]> Divide(int[] widths, int[] rows, int? maxTokens, GptDevice device)
    {
        int n = widths.Length;
        long most = maxTokens ?? DefaultTokens(device), overhead = Overhead(device);
        int[] order = [.. Enumerable.Range(0, n).OrderByDescending(i => widths[i])], end = new int[n];
        long[] cost = new long[n + 1]; // of the items from i on
        for (int i = n - 1; i >= 0; i--)
        {
            cost[i] = long.MaxValue;
            long width = widths[order[i]], tokens = 0;
            for (int j = i; j < n; j++)
            {
                tokens += width * rows[order[j]];
                if (j > i && tokens > most) break;
                if (tokens + overhead + cost[j + 1] < cost[i]) (cost[i], end[i]) = (tokens + overhead + cost[j + 1], j + 1);
            }
        }

        var batches = new List<int[]>();
        for (int i = 0; i < n; i = end[i]) batches.Add(order[i..end[i]]);
        return batches;
    }
}
