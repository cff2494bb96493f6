using System.Runtime.InteropServices;
using System.Text;

namespace MLNet.Gpt;

/// <summary>
/// Trains byte-level BPE merges with incremental pair counts, to the same result as Hugging Face's BpeTrainer.
/// </summary>
/// <remarks>
/// For each pair of neighbouring symbols the trainer keeps its count over all words, and in a queue the words where it occurs.
/// A count in the queue may have become too high by the time its turn comes; the pair then goes back with its true count.
/// Pairs are counted as windows, so that "aaa" holds the pair (a, a) twice, as there. All occurrences of a pair arise in one
/// step, and no two pairs make the same token: merges inside a stretch of text between two token boundaries do not depend on
/// what is outside it, so that equal stretches are always cut alike.
/// </remarks>
internal sealed class BytePairTrainer(BytePairTrainingOptions options, IProgress<BytePairTrainingProgress>? progress, CancellationToken cancellationToken)
{
    private readonly HashSet<string> _specials = new(options.SpecialTokens, StringComparer.Ordinal);
    private readonly List<string> _tokens = [];
    private readonly Dictionary<long, long> _pairCounts = [];
    private readonly PriorityQueue<Candidate, Candidate> _queue = new(Comparer<Candidate>.Create(static (a, b) =>
        a.Count != b.Count ? b.Count.CompareTo(a.Count) : a.Pair.CompareTo(b.Pair)));

    // Word w is _symbols[_starts[w] .. _starts[w] + _lengths[w]] and occurs _counts[w] times.
    private int[] _symbols = [];
    private int[] _starts = [];
    private int[] _lengths = [];
    private long[] _counts = [];

    /// <summary>The most bytes of all distinct words together; for tests, less than an array holds.</summary>
    internal int MostBytes { get; init; } = Array.MaxLength;

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
        foreach (string text in texts)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (text is null) throw new ArgumentException($"Text {_progress.TextsRead} is null; leave it out.", nameof(texts));
            for (ReadOnlySpan<char> rest = GptTokenizer.WellFormed(text); !rest.IsEmpty;)
            {
                int length = GptPreTokenizer.FirstWordLength(rest);
                CollectionsMarshal.GetValueRefOrAddDefault(lookup, rest[..length], out _)++;
                rest = rest[length..];
            }

            _progress = _progress with { TextsRead = _progress.TextsRead + 1, CharactersRead = _progress.CharactersRead + text.Length, DistinctWords = words.Count };
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

        (_symbols, _starts, _lengths, _counts) = (new int[total], new int[words.Count], new int[words.Count], new long[words.Count]);
        int position = 0, index = 0;
        byte[] utf8 = [];
        foreach ((string word, long count) in words)
        {
            int bound = Encoding.UTF8.GetMaxByteCount(word.Length);
            if (utf8.Length < bound) utf8 = new byte[bound];
            int length = Encoding.UTF8.GetBytes(word, utf8);
            for (int i = 0; i < length; i++) _symbols[position + i] = byteIds[utf8[i]];
            (_starts[index], _lengths[index], _counts[index]) = (position, length, count);
            position += length;
            index++;
        }
    }

    private void CountPairs()
    {
        var places = new Dictionary<long, List<int>>();
        for (int word = 0; word < _starts.Length; word++)
        {
            ReadOnlySpan<int> symbols = Word(word);
            for (int i = 0; i + 1 < symbols.Length; i++) Count(symbols[i], symbols[i + 1], _counts[word], word, places);
        }

        Enqueue(places);
    }

    private List<(int Left, int Right)> MergePairs()
    {
        var merges = new List<(int Left, int Right)>();
        var places = new Dictionary<long, List<int>>();
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

            (int left, int right) = ((int)(best.Pair >> 32), (int)best.Pair);
            string token = _tokens[left] + _tokens[right];
            if (_specials.Contains(token)) continue; // this pair is never merged: the token must not come of a text

            int merged = AddToken(token);
            merges.Add((left, right));
            foreach (int word in best.Words) MergeWord(word, left, right, merged, places);
            Enqueue(places);
            Report(force: false);
        }

        return merges;
    }

    /// <summary>Merges a pair in a word, the leftmost occurrence first, and counts the pairs that go and come.</summary>
    private void MergeWord(int word, int left, int right, int merged, Dictionary<long, List<int>> places)
    {
        Span<int> symbols = Word(word);
        long count = _counts[word];
        int kept = 0;
        for (int i = 0; i < symbols.Length; kept++)
        {
            if (symbols[i] != left || i + 1 == symbols.Length || symbols[i + 1] != right)
            {
                symbols[kept] = symbols[i++];
                continue;
            }

            if (kept > 0)
            {
                _pairCounts[Pair(symbols[kept - 1], left)] -= count;
                Count(symbols[kept - 1], merged, count, word, places);
            }

            if (i + 2 < symbols.Length)
            {
                _pairCounts[Pair(right, symbols[i + 2])] -= count;
                Count(merged, symbols[i + 2], count, word, places);
            }

            symbols[kept] = merged;
            i += 2;
        }

        _lengths[word] = kept;
    }

    private void Count(int left, int right, long count, int word, Dictionary<long, List<int>> places)
    {
        long pair = Pair(left, right);
        CollectionsMarshal.GetValueRefOrAddDefault(_pairCounts, pair, out _) += count;
        ref List<int>? words = ref CollectionsMarshal.GetValueRefOrAddDefault(places, pair, out _);
        words ??= [];
        if (words.Count == 0 || words[^1] != word) words.Add(word); // a word's pairs are counted in one go
    }

    private void Enqueue(Dictionary<long, List<int>> places)
    {
        foreach ((long pair, List<int> words) in places)
        {
            var candidate = new Candidate(_pairCounts[pair], pair, words);
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

    private Span<int> Word(int word) => _symbols.AsSpan(_starts[word], _lengths[word]);

    private static long Pair(int left, int right) => ((long)left << 32) | (uint)right;

    private readonly record struct Candidate(long Count, long Pair, List<int> Words);
}
