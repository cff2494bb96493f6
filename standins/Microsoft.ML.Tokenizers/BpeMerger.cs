namespace Microsoft.ML.Tokenizers;

/// <summary>The merges of a vocabulary, and their application to a word. Immutable; may be used from several threads.</summary>
internal sealed class BpeMerger
{
    // Up to this many symbols a scan for the best pair is faster than a queue.
    private const int LongestScannedWord = 32;

    private readonly Dictionary<long, (int Rank, int Id)> _merges = [];

    /// <summary>Adds the merge of the next rank.</summary>
    public void Add(int left, int right, int merged) => _merges.Add(Pair(left, right), (_merges.Count, merged));

    /// <summary>Merges in place, the lowest rank first and the leftmost of equals, and returns how many symbols remain.</summary>
    public int Merge(Span<int> symbols)
    {
        if (symbols.Length < 2 || _merges.Count == 0) return symbols.Length;
        return symbols.Length <= LongestScannedWord ? MergeByScanning(symbols) : MergeByQueue(symbols);
    }

    private int MergeByScanning(Span<int> symbols)
    {
        Span<int> ranks = stackalloc int[LongestScannedWord];
        Span<int> ids = stackalloc int[LongestScannedWord];
        int count = symbols.Length;
        for (int i = 0; i + 1 < count; i++) (ranks[i], ids[i]) = Find(symbols[i], symbols[i + 1]);
        while (count > 1)
        {
            int best = 0;
            for (int i = 1; i + 1 < count; i++)
            {
                if (ranks[i] < ranks[best]) best = i;
            }

            if (ranks[best] == int.MaxValue) break;
            symbols[best] = ids[best];
            symbols[(best + 2)..count].CopyTo(symbols[(best + 1)..]);
            ranks[(best + 2)..count].CopyTo(ranks[(best + 1)..]);
            ids[(best + 2)..count].CopyTo(ids[(best + 1)..]);
            count--;
            if (best > 0) (ranks[best - 1], ids[best - 1]) = Find(symbols[best - 1], symbols[best]);
            if (best + 1 < count) (ranks[best], ids[best]) = Find(symbols[best], symbols[best + 1]);
        }

        return count;
    }

    // A doubly linked list over the symbols and a queue of candidate pairs, so that a word of n symbols takes O(n log n).
    private int MergeByQueue(Span<int> symbols)
    {
        int count = symbols.Length;
        var next = new int[count];
        var previous = new int[count];
        var alive = new bool[count];
        var queue = new PriorityQueue<int, long>(count);
        for (int i = 0; i < count; i++)
        {
            (previous[i], next[i], alive[i]) = (i - 1, i + 1, true);
            if (i + 1 < count) Offer(i, i + 1, symbols);
        }

        while (queue.TryDequeue(out int left, out long priority))
        {
            if (!alive[left] || next[left] == count) continue;
            int right = next[left];
            (int rank, int id) = Find(symbols[left], symbols[right]);
            if (rank != (int)(priority >> 32)) continue; // the pair that was queued is gone

            symbols[left] = id;
            alive[right] = false;
            next[left] = next[right];
            if (next[left] < count)
            {
                previous[next[left]] = left;
                Offer(left, next[left], symbols);
            }

            if (previous[left] >= 0) Offer(previous[left], left, symbols);
        }

        int kept = 0;
        for (int i = 0; i < count; i++)
        {
            if (alive[i]) symbols[kept++] = symbols[i];
        }

        return kept;

        void Offer(int left, int right, Span<int> symbols)
        {
            int rank = Find(symbols[left], symbols[right]).Rank;
            if (rank != int.MaxValue) queue.Enqueue(left, ((long)rank << 32) | (uint)left);
        }
    }

    private (int Rank, int Id) Find(int left, int right) =>
        _merges.TryGetValue(Pair(left, right), out (int Rank, int Id) merge) ? merge : (int.MaxValue, -1);

    private static long Pair(int left, int right) => ((long)left << 32) | (uint)right;
}
