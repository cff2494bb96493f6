using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace MLNet.Gpt;

/// <summary>
/// Byte pair encoding of words: of the pairs of neighbouring tokens that have a merge, the one of the lowest rank is merged, the
/// leftmost of them first, until none is left (Sennrich et al. 2016, algorithm 1; Hugging Face's BPE gives the same).
/// May be used from several threads.
/// </summary>
/// <remarks>
/// Time O(n log n) for a word of n bytes. A word is first cut where no merge can join its bytes; short pieces are scanned for their
/// best pair, long ones keep their pairs in a heap over linked tokens. Short words that were met before come from a table of fixed
/// size, in which newer words replace older ones.
/// </remarks>
internal sealed class BytePairEncoder(BytePairMerges merges)
{
    // Measured: below this the scan's few nanoseconds a token win over the heap.
    private const int LongestScanned = 48;

    // UTF-16 units. Longer words hardly ever come back.
    private const int LongestKept = 24;
    private const int KeptWords = 1 << 15;

    // A word lies in slot h or in slot h ^ 1; a new one takes h, and what was there moves over.
    private readonly Word?[] _words = new Word?[KeptWords];

    /// <summary>Appends the tokens of a word, in which a lone surrogate counts as U+FFFD.</summary>
    public void Encode(ReadOnlySpan<char> word, TokenBuffer tokens)
    {
        if (word.Length > LongestKept)
        {
            Merge(word, tokens);
            return;
        }

        int slot = SlotOf(word);
        Word? known = Volatile.Read(ref _words[slot]);
        if (known is null || !known.Is(word)) known = Volatile.Read(ref _words[slot ^ 1]);
        if (known is not null && known.Is(word))
        {
            if (known.Several is null) tokens.Add(known.First);
            else tokens.Add(known.Several);
            return;
        }

        int start = tokens.Count;
        Merge(word, tokens);
        Volatile.Write(ref _words[slot ^ 1], Volatile.Read(ref _words[slot]));
        Volatile.Write(ref _words[slot], new Word(word, tokens.Written[start..]));
    }

    private void Merge(ReadOnlySpan<char> word, TokenBuffer tokens)
    {
        int bound = word.Length <= 80 ? 256 : ByteCountOf(word);
        byte[]? rented = null;
        Span<byte> bytes = bound <= 256 ? stackalloc byte[256] : rented = ArrayPool<byte>.Shared.Rent(bound);
        bytes = bytes[..Encoding.UTF8.GetBytes(word, bytes)];

        int start = 0;
        for (int i = 1; i <= bytes.Length; i++)
        {
            if (i < bytes.Length && merges.MayJoin(bytes[i - 1], bytes[i])) continue;
            Span<int> piece = tokens.Take(i - start);
            for (int k = 0; k < piece.Length; k++) piece[k] = merges.TokenOf(bytes[start + k]);
            int kept = piece.Length <= LongestScanned ? MergeShort(piece) : MergeLong(piece);
            tokens.GiveBack(piece.Length - kept);
            start = i;
        }

        if (rented is not null) ArrayPool<byte>.Shared.Return(rented);
    }

    /// <summary>The UTF-8 bytes of a long word; <see cref="MergeLong"/> takes an array of three times as many numbers.</summary>
    private static int ByteCountOf(ReadOnlySpan<char> word)
    {
        const int Most = 0x7FFFFFC7 / 3; // a third of Array.MaxLength
        int bytes = word.Length <= Most ? Encoding.UTF8.GetByteCount(word) : int.MaxValue;
        return bytes <= Most ? bytes : throw new ArgumentException($"The text has a word of {word.Length} characters; words of at most {Most} bytes can be encoded. Divide it into several texts.", "text");
    }

    /// <summary>Merges tokens in place; returns how many are left, at the front.</summary>
    private int MergeShort(Span<int> tokens)
    {
        // ranks[i] is that of tokens[i] and tokens[i + 1].
        Span<int> ranks = stackalloc int[LongestScanned];
        int count = tokens.Length;
        for (int i = 0; i + 1 < count; i++) ranks[i] = merges.RankOf(tokens[i], tokens[i + 1]);
        while (count > 1)
        {
            int best = 0;
            for (int i = 1; i + 1 < count; i++)
            {
                if (ranks[i] < ranks[best]) best = i;
            }

            if (ranks[best] == BytePairMerges.None) break;
            tokens[best] = merges.Result(ranks[best]);
            count--;
            tokens[(best + 2)..(count + 1)].CopyTo(tokens[(best + 1)..]);
            if (best + 1 < count)
            {
                ranks[(best + 2)..count].CopyTo(ranks[(best + 1)..]);
                ranks[best] = merges.RankOf(tokens[best], tokens[best + 1]);
            }

            if (best > 0) ranks[best - 1] = merges.RankOf(tokens[best - 1], tokens[best]);
        }

        return count;
    }

    private int MergeLong(Span<int> tokens)
    {
        int count = tokens.Length;
        int[] rented = ArrayPool<int>.Shared.Rent(3 * count);
        Span<int> next = rented.AsSpan(0, count), previous = rented.AsSpan(count, count), ranks = rented.AsSpan(2 * count, count);

        // At most one entry for each pair at the start, and for each of the count - 1 merges two for the one that is taken out.
        ulong[] heap = ArrayPool<ulong>.Shared.Rent(2 * count);
        int waiting = 0;
        for (int i = 0; i < count; i++)
        {
            (next[i], previous[i]) = (i + 1, i - 1);
            ranks[i] = i + 1 < count ? merges.RankOf(tokens[i], tokens[i + 1]) : BytePairMerges.None;
            if (ranks[i] != BytePairMerges.None) heap[waiting++] = Entry(ranks[i], i);
        }

        for (int i = (waiting - 2) >> 2; i >= 0; i--) Sink(heap, waiting, i, heap[i]);
        while (waiting > 0)
        {
            int rank = (int)(heap[0] >> 32), left = (int)(uint)heap[0];
            waiting--;
            Sink(heap, waiting, 0, heap[waiting]);
            if (ranks[left] != rank) continue; // one of the two has been merged with another since
            int right = next[left];
            tokens[left] = merges.Result(rank);
            ranks[right] = BytePairMerges.None;
            next[left] = next[right];
            if (next[left] < count)
            {
                previous[next[left]] = left;
                Renew(left, tokens, next, ranks, heap, ref waiting);
            }

            if (previous[left] >= 0) Renew(previous[left], tokens, next, ranks, heap, ref waiting);
        }

        int kept = 0;
        for (int i = 0; i < count; i = next[i]) tokens[kept++] = tokens[i];
        ArrayPool<int>.Shared.Return(rented);
        ArrayPool<ulong>.Shared.Return(heap);
        return kept;
    }

    private void Renew(int left, Span<int> tokens, Span<int> next, Span<int> ranks, ulong[] heap, ref int waiting)
    {
        ranks[left] = merges.RankOf(tokens[left], tokens[next[left]]);
        if (ranks[left] != BytePairMerges.None) Push(heap, waiting++, Entry(ranks[left], left));
    }

    // By rank, then from the left.
    private static ulong Entry(int rank, int position) => ((ulong)(uint)rank << 32) | (uint)position;

    // The heap has four children a node: those of n are 4n + 1 to 4n + 4.
    private static void Push(ulong[] heap, int hole, ulong entry)
    {
        while (hole > 0)
        {
            int parent = (hole - 1) >> 2;
            if (heap[parent] <= entry) break;
            heap[hole] = heap[parent];
            hole = parent;
        }

        heap[hole] = entry;
    }

    /// <summary>Puts an entry into the hole at the top of a subtree, and lets it sink to its place.</summary>
    private static void Sink(ulong[] heap, int count, int hole, ulong entry)
    {
        while (true)
        {
            int child = 4 * hole + 1;
            if (child >= count) break;
            int end = Math.Min(child + 4, count);
            for (int other = child + 1; other < end; other++)
            {
                if (heap[other] < heap[child]) child = other;
            }

            if (heap[child] >= entry) break;
            heap[hole] = heap[child];
            hole = child;
        }

        heap[hole] = entry;
    }

    private static int SlotOf(ReadOnlySpan<char> word)
    {
        const ulong Odd = 0x9E3779B97F4A7C15;
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(word);
        ulong hash = (ulong)bytes.Length;
        for (; bytes.Length >= 8; bytes = bytes[8..]) hash = (hash ^ MemoryMarshal.Read<ulong>(bytes)) * Odd + (hash >> 32);
        ulong rest = 0;
        for (int i = 0; i < bytes.Length; i += 2) rest = (rest << 16) | MemoryMarshal.Read<ushort>(bytes[i..]);
        hash = (hash ^ rest) * Odd;
        return (int)((hash ^ (hash >> 32)) * Odd >> 49); // 15 bits
    }

    /// <summary>A word and its tokens; most have one, and then all is in one place.</summary>
    private sealed class Word
    {
        public readonly int First;
        public readonly int[]? Several;
        private readonly int _length;
        private readonly Characters _characters;

        public Word(ReadOnlySpan<char> word, ReadOnlySpan<int> tokens)
        {
            word.CopyTo(_characters);
            _length = word.Length;
            First = tokens[0];
            Several = tokens.Length > 1 ? tokens.ToArray() : null;
        }

        public bool Is(ReadOnlySpan<char> word) => word.SequenceEqual(_characters[.._length]);
    }

    [InlineArray(LongestKept)]
    private struct Characters
    {
        private char _first;
    }
}
