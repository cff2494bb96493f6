using System.Runtime.InteropServices;
using System.Text;

namespace MLNet.Gpt;

/// <summary>
/// Trains byte-level BPE merges with incremental pair counts, to the same result as Hugging Face's BpeTrainer.
/// </summary>
/// <remarks>
/// For each pair of neighbouring symbols the trainer keeps its count over all words, and in a queue the pieces of words where it occurs.
/// A count in the queue may have become too high by the time its turn comes; the pair then goes back with its true count.
/// Pairs are counted as windows, so that "aaa" holds the pair (a, a) twice, as there. All occurrences of a pair arise in one
/// step, and no two pairs make the same token: merges inside a stretch of text between two token boundaries do not depend on
/// what is outside it, so that equal stretches are always cut alike.
/// A word that is longer than <see cref="PieceBytes"/> is kept in pieces, so that a merge goes through the pieces that hold the
/// pair and not through all of a word of megabytes. A pair that reaches over the end of a piece belongs to the piece of its left symbol.
/// </remarks>
internal sealed class BytePairTrainer(BytePairTrainingOptions options, IProgress<BytePairTrainingProgress>? progress, CancellationToken cancellationToken)
{
    private readonly HashSet<string> _specials = new(options.SpecialTokens, StringComparer.Ordinal);
    private readonly List<string> _tokens = [];
    private readonly Dictionary<SymbolPair, long> _pairCounts = [];
    private readonly PriorityQueue<Candidate, Candidate> _queue = new(Comparer<Candidate>.Create(static (a, b) =>
        a.Count != b.Count ? b.Count.CompareTo(a.Count) : a.Pair.CompareTo(b.Pair)));

    private const long CharactersBetweenReports = 1 << 24;

    // Piece p is _symbols[_starts[p] .. _starts[p] + _lengths[p]] and occurs _counts[p] times. The pieces of its word that have symbols are linked, -1 ends them.
    private int[] _symbols = [];
    private int[] _starts = [];
    private int[] _lengths = [];
    private long[] _counts = [];
    private int[] _previous = [];
    private int[] _next = [];

    /// <summary>The most bytes of all distinct words together; for tests, less than an array holds.</summary>
    internal int MostBytes { get; init; } = Array.MaxLength;

    /// <summary>The bytes of a piece of a long word.</summary>
    internal int PieceBytes { get; init; } = 512;

    private BytePairTrainingProgress _progress = new() { TargetVocabularySize = options.VocabularySize };

    public TokenizerDefinition Train(IEnumerable<string> texts)
    {
        // 1. The words and their counts.
        Dictionary<string, long> words = CountWords(texts);

        // 2. The first tokens: special ones, then the bytes in the order of their characters.
        foreach (string token in options.SpecialTokens) AddToken(token);
        Span<int> byteIds = stackalloc int[256];
        foreach (byte value in ByteAlphabet.InCharacterOrder) byteIds[value] = AddToken(ByteAlphabet.ToText([value]));

        // 3. Words as symbols, and the pairs in them.
        LayOut(words, byteIds);
        CountPairs();

        // 4. Merge the most frequent pair, over and over.
        List<(int Left, int Right)> merges = MergePairs();
        Report(force: true);

        KeyValuePair<string, long>[] vocabulary = [.. _tokens.Select((token, id) => KeyValuePair.Create(token, (long)id))];
        return TokenizerDefinition.Create(
            GptTokenizerKind.ByteLevelBpe, vocabulary, [.. merges.Select(pair => (_tokens[pair.Left], _tokens[pair.Right]))], options.SpecialTokens, "a trained vocabulary");
    }

    private Dictionary<string, long> CountWords(IEnumerable<string> texts)
    {
        var words = new Dictionary<string, long>(StringComparer.Ordinal);
        Dictionary<string, long>.AlternateLookup<ReadOnlySpan<char>> lookup = words.GetAlternateLookup<ReadOnlySpan<char>>();
        long reported = 0;
        foreach (string text in texts)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (text is null) throw new ArgumentException($"Text {_progress.TextsRead} is null; leave it out.", nameof(texts));
            ReadOnlySpan<char> rest = GptTokenizer.WellFormed(text);
            while (!rest.IsEmpty)
            {
                // A text may be a whole corpus: it is told of, and cancelled, in the middle.
                int left = (int)Math.Max(0, rest.Length - CharactersBetweenReports), before = rest.Length;
                while (rest.Length > left)
                {
                    int length = GptPreTokenizer.FirstWordLength(rest);
                    CollectionsMarshal.GetValueRefOrAddDefault(lookup, rest[..length], out _)++;
                    rest = rest[length..];
                }

                cancellationToken.ThrowIfCancellationRequested();
                _progress = _progress with { CharactersRead = _progress.CharactersRead + before - rest.Length, DistinctWords = words.Count };
                if (_progress.CharactersRead - reported < CharactersBetweenReports) continue;
                reported = _progress.CharactersRead;
                Report(force: true);
            }

            _progress = _progress with { TextsRead = _progress.TextsRead + 1 };
            if (_progress.TextsRead % 10_000 == 0) Report(force: true);
        }

        if (words.Count == 0)
        {
            throw new EmptyCorpusException(_progress.TextsRead == 0
                ? "There are no texts to train a tokenizer on. Give at least one."
                : $"All {_progress.TextsRead} texts to train a tokenizer on are empty. Give at least one that isn't.");
        }

        return words;
    }

    private void LayOut(Dictionary<string, long> words, ReadOnlySpan<int> byteIds)
    {
        long total = words.Keys.Sum(word => (long)Encoding.UTF8.GetByteCount(word));
        if (total > MostBytes)
        {
            throw new ArgumentException($"The texts' distinct words have {total} bytes together; at most {MostBytes} can be trained on. Train on a sample of the texts.", "texts");
        }

        // The bytes of all words one after the other; each word in pieces, the last one shorter.
        _symbols = new int[total];
        List<int> starts = new(words.Count), lengths = new(words.Count), previous = new(words.Count), next = new(words.Count);
        List<long> counts = new(words.Count);
        int position = 0;
        byte[] utf8 = [];
        foreach ((string word, long count) in words)
        {
            int length = Encoding.UTF8.GetByteCount(word);
            if (utf8.Length < length) utf8 = new byte[length];
            Encoding.UTF8.GetBytes(word, utf8);
            for (int i = 0; i < length; i++) _symbols[position + i] = byteIds[utf8[i]];
            for (int start = 0; start < length; start += PieceBytes)
            {
                bool isLast = length - start <= PieceBytes;
                previous.Add(start > 0 ? starts.Count - 1 : -1);
                next.Add(isLast ? -1 : starts.Count + 1);
                starts.Add(position + start);
                lengths.Add(isLast ? length - start : PieceBytes);
                counts.Add(count);
            }

            position += length;
        }

        (_starts, _lengths, _counts, _previous, _next) = ([.. starts], [.. lengths], [.. counts], [.. previous], [.. next]);
    }

    private void CountPairs()
    {
        var places = new Dictionary<SymbolPair, List<int>>();
        for (int piece = 0; piece < _starts.Length; piece++)
        {
            if (piece % 4_096 == 0) cancellationToken.ThrowIfCancellationRequested();
            ReadOnlySpan<int> symbols = Symbols(piece);
            for (int i = 0; i + 1 < symbols.Length; i++) Count(symbols[i], symbols[i + 1], piece, places);
            if (_next[piece] >= 0) Count(symbols[^1], Symbols(_next[piece])[0], piece, places);
        }

        Enqueue(places);
    }

    private List<(int Left, int Right)> MergePairs()
    {
        var merges = new List<(int Left, int Right)>();
        var places = new Dictionary<SymbolPair, List<int>>();
        while (_tokens.Count < options.VocabularySize && _queue.TryDequeue(out Candidate best, out _))
        {
            cancellationToken.ThrowIfCancellationRequested();
            long count = _pairCounts[best.Pair];
            if (best.Count != count)
            {
                best = best with { Count = count };
                _queue.Enqueue(best, best);
                continue;
            }

            if (count < 1 || count < options.MinimumFrequency) break;

            (int left, int right) = best.Pair;
            string token = _tokens[left] + _tokens[right];
            if (_specials.Contains(token)) continue; // this pair is never merged: the token must not come of a text

            int merged = AddToken(token);
            merges.Add((left, right));
            foreach (int piece in best.Pieces) Merge(piece, left, right, merged, places);
            Enqueue(places);
            Report(force: false);
        }

        return merges;
    }

    /// <summary>Merges a pair in a piece, the leftmost occurrence first, and counts the pairs that go and come. The pieces of a word are to come in order.</summary>
    private void Merge(int piece, int left, int right, int merged, Dictionary<SymbolPair, List<int>> places)
    {
        Span<int> symbols = Symbols(piece);
        long count = _counts[piece];
        int kept = 0;
        for (int i = 0; i < symbols.Length; kept++)
        {
            if (symbols[i] != left || SymbolAt(i + 1, symbols, piece) != right)
            {
                symbols[kept] = symbols[i++];
                continue;
            }

            if (kept > 0 || _previous[piece] >= 0)
            {
                int owner = kept > 0 ? piece : _previous[piece], before = kept > 0 ? symbols[kept - 1] : Symbols(owner)[^1];
                _pairCounts[new(before, left)] -= count;
                Count(before, merged, owner, places);
            }

            if (i + 1 == symbols.Length) RemoveFirst(_next[piece]);
            i += 2;
            int after = SymbolAt(Math.Min(i, symbols.Length), symbols, piece);
            if (after >= 0)
            {
                _pairCounts[new(right, after)] -= count;
                Count(merged, after, piece, places);
            }

            symbols[kept] = merged;
        }

        _lengths[piece] = kept;
    }

    /// <summary>A symbol of a piece; behind its last one the first of the next piece, or -1 where the word ends.</summary>
    private int SymbolAt(int index, ReadOnlySpan<int> symbols, int piece) =>
        index < symbols.Length ? symbols[index] : _next[piece] >= 0 ? Symbols(_next[piece])[0] : -1;

    /// <summary>Takes away the first symbol of a piece, which has been merged into the piece before. A piece without symbols is linked no more.</summary>
    private void RemoveFirst(int piece)
    {
        _starts[piece]++;
        if (--_lengths[piece] > 0) return;
        _next[_previous[piece]] = _next[piece];
        if (_next[piece] >= 0) _previous[_next[piece]] = _previous[piece];
    }

    private void Count(int left, int right, int piece, Dictionary<SymbolPair, List<int>> places)
    {
        var pair = new SymbolPair(left, right);
        CollectionsMarshal.GetValueRefOrAddDefault(_pairCounts, pair, out _) += _counts[piece];
        ref List<int>? pieces = ref CollectionsMarshal.GetValueRefOrAddDefault(places, pair, out _);
        pieces ??= [];
        if (pieces.Count == 0 || pieces[^1] != piece) pieces.Add(piece); // a piece's pairs are counted in one go
    }

    private void Enqueue(Dictionary<SymbolPair, List<int>> places)
    {
        foreach ((SymbolPair pair, List<int> pieces) in places)
        {
            var candidate = new Candidate(_pairCounts[pair], pair, pieces);
            if (candidate.Count > 0) _queue.Enqueue(candidate, candidate);
        }

        places.Clear();
    }

    private int AddToken(string token)
    {
        _tokens.Add(token);
        return _tokens.Count - 1;
    }

    private void Report(bool force)
    {
        if (!force && (_tokens.Count % 100 != 0 || _tokens.Count == _progress.VocabularySize)) return;
        _progress = _progress with { VocabularySize = _tokens.Count };
        progress?.Report(_progress);
    }

    private Span<int> Symbols(int piece) => _symbols.AsSpan(_starts[piece], _lengths[piece]);

    /// <summary>Two neighbouring symbols, in the order of the left ones, then of the right ones.</summary>
    private readonly record struct SymbolPair(int Left, int Right) : IComparable<SymbolPair>
    {
        public int CompareTo(SymbolPair other) => Left != other.Left ? Left.CompareTo(other.Left) : Right.CompareTo(other.Right);

        // As one number of 64 bits its hash would be left ^ right: V values for all pairs of V symbols, and look-ups that take the longer the more pairs there are.
        public override int GetHashCode() => (int)(((((ulong)(uint)Left << 32) | (uint)Right) * 0x9E3779B97F4A7C15) >> 32);
    }

    private readonly record struct Candidate(long Count, SymbolPair Pair, List<int> Pieces);
}
