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
        long[] sequences = new long[n + 1], cost = new long[n + 1]; // sequences of the items before i; cost of the items from i on
        for (int i = 0; i < n; i++) sequences[i + 1] = sequences[i] + rows[order[i]];

        // One end after the other would be tried for each beginning: the square of the items where many fit a batch. But an end that is better than a later one for some beginning is so for all earlier ones too,
        // whose first item is no shorter (the costs have the Monge property). So each end is the best for a stretch of beginnings, and the stretches of those to come lie in a stack (Galil and Giancarlo 1988):
        // end ends[k] is the best for the beginnings below[k + 1] to below[k] - 1, and the one on top for all down to 0.
        var ends = new int[n + 1];
        var below = new int[n + 1];
        int first = 0, count = 0;
        for (int i = n - 1; i >= 0; i--)
        {
            // 1. The end i + 1 is new: it takes all beginnings from the highest on at which it is as good as the best so far.
            int added = i + 1, highest = i;
            while (count > first && IsBetter(added, ends[count - 1], Math.Min(i, below[count - 1] - 1))) count--;
            if (count > first)
            {
                // It is worse at the top's highest beginning: look for the highest one where it isn't.
                int worse = Math.Min(i, below[count - 1] - 1), better = -1;
                while (worse - better > 1)
                {
                    int middle = better + ((worse - better) / 2);
                    if (IsBetter(added, ends[count - 1], middle)) better = middle;
                    else worse = middle;
                }

                highest = better;
            }

            if (highest >= 0) (ends[count], below[count], count) = (added, highest + 1, count + 1);

            // 2. The best end for i.
            while (first + 1 < count && below[first + 1] > i) first++;
            (end[i], cost[i]) = (ends[first], CostOf(i, ends[first]));
        }

        var batches = new List<int[]>();
        for (int i = 0; i < n; i = end[i]) batches.Add(order[i..end[i]]);
        return batches;

        // Of the items from `begin` on, where the first batch ends before item `stop`; where it has too many tokens, more than any other.
        long CostOf(int begin, int stop)
        {
            long tokens = widths[order[begin]] * (sequences[stop] - sequences[begin]);
            return stop > begin + 1 && tokens > most ? long.MaxValue : tokens + overhead + cost[stop];
        }

        bool IsBetter(int stop, int later, int begin) => CostOf(begin, stop) <= CostOf(begin, later);
    }
}
