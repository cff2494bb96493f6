using System.Buffers;
using System.Collections.Concurrent;
using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Tokenizers;

/// <summary>Byte pair encoding (Sennrich et al. 2016). May be used from several threads.</summary>
public sealed class BpeTokenizer : Tokenizer
{
    private const int CacheCapacity = 10_000;
    private const int LongestCachedWord = 32;

    private readonly Dictionary<string, int> _vocabulary = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _ids;
    private readonly Dictionary<int, string> _tokens = [];
    private readonly Dictionary<string, (int Id, string Token)>.AlternateLookup<ReadOnlySpan<char>>? _specialIds;
    private readonly Dictionary<int, string> _specialTokens = [];
    private readonly BpeMerger _merger = new();
    private readonly ConcurrentDictionary<string, int[]> _cache = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> _cachedWords;
    private readonly bool _byteLevel;
    private int _cachedCount;

    private BpeTokenizer(BpeOptions options)
    {
        PreTokenizer = options.PreTokenizer ?? new RegexPreTokenizer(new Regex(@"\w+|[^\w\s]+", RegexOptions.Compiled, TimeSpan.FromSeconds(30)), null);
        _byteLevel = options.ByteLevel;
        _ids = _vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
        _cachedWords = _cache.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach ((string token, int id) in options.Vocabulary)
        {
            _vocabulary.Add(token, id);
            _tokens.Add(id, token);
        }

        if (_vocabulary.Count == 0) throw new InvalidOperationException("The vocabulary has no tokens.");
        if (options.SpecialTokens is { } specials)
        {
            var ids = new Dictionary<string, (int, string)>(StringComparer.Ordinal);
            foreach ((string token, int id) in specials)
            {
                ids.Add(token, (id, token));
                _specialTokens.Add(id, token);
            }

            _specialIds = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        }

        foreach (string merge in options.Merges ?? [])
        {
            int space = merge?.IndexOf(' ') ?? throw new InvalidOperationException("A merge is null.");
            if (space < 0 || space == merge.Length - 1 || merge.IndexOf(' ', space + 1) >= 0)
            {
                throw new InvalidOperationException($"Merge '{merge}' is not two tokens with one space between them.");
            }

            (string left, string right) = (merge[..space], merge[(space + 1)..]);
            _merger.Add(IdOf(left), IdOf(right), IdOf(left + right));
        }
    }

    /// <inheritdoc />
    public override PreTokenizer? PreTokenizer { get; }

    /// <summary>Creates a tokenizer from its parts.</summary>
    public static BpeTokenizer Create(BpeOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new BpeTokenizer(options);
    }

    /// <inheritdoc />
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        ReadOnlySpan<char> source = text is null ? textSpan : text;
        if (source.IsEmpty) return new EncodeResults<EncodedToken> { Tokens = [] };

        var tokens = new List<EncodedToken>();
        foreach ((int offset, int length) in Words(text, source, settings))
        {
            EncodeWord(source.Slice(offset, length), offset, tokens);
        }

        return new EncodeResults<EncodedToken> { Tokens = tokens, CharsConsumed = source.Length };
    }

    /// <inheritdoc />
    protected override EncodeResults<int> EncodeToIds(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var ids = new List<int>();
        int charsConsumed = Encode(text, textSpan, settings, ids, out _);
        return new EncodeResults<int> { Tokens = ids, CharsConsumed = charsConsumed };
    }

    /// <inheritdoc />
    protected override int CountTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        Encode(text, textSpan, settings, ids: null, out int count);
        return count;
    }

    /// <inheritdoc />
    protected override int GetIndexByTokenCount(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings, bool fromEnd, out string? normalizedText, out int tokenCount)
    {
        normalizedText = null;
        if (!fromEnd) return Encode(text, textSpan, settings, ids: null, out tokenCount);

        RequirePositive(settings.MaxTokenCount);
        tokenCount = 0;
        ReadOnlySpan<char> source = text is null ? textSpan : text;
        foreach ((int offset, int length) in Words(text, source, settings).Reverse())
        {
            Word word = Look(source.Slice(offset, length));
            int taken = Math.Min(word.Ids.Length, settings.MaxTokenCount - tokenCount);
            tokenCount += taken;
            int index = taken == word.Ids.Length ? 0 : word.UnitsBeforeLast(taken, this);
            if (index > 0 || tokenCount >= settings.MaxTokenCount) return offset + index;
        }

        return 0;
    }

    /// <inheritdoc />
    public override string Decode(IEnumerable<int> ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        if (!_byteLevel)
        {
            return string.Concat(ids.Select(id => _specialTokens.GetValueOrDefault(id) ?? _tokens.GetValueOrDefault(id)));
        }

        var bytes = new ArrayBufferWriter<byte>();
        foreach (int id in ids)
        {
            string? token = _specialTokens.GetValueOrDefault(id) ?? _tokens.GetValueOrDefault(id);
            if (token is not null) AppendBytes(token, bytes);
        }

        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    /// <inheritdoc />
    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
    {
        ArgumentNullException.ThrowIfNull(ids);
        (idsConsumed, charsWritten) = (0, 0);
        Span<byte> pending = stackalloc byte[256];
        Span<char> characters = stackalloc char[256];
        int pendingBytes = 0, pendingIds = 0;
        foreach (int id in ids)
        {
            if (_byteLevel && _specialTokens.TryGetValue(id, out string? special))
            {
                if (pendingBytes > 0) return OperationStatus.InvalidData; // a character cut short by a special token
                if (!special.TryCopyTo(destination[charsWritten..])) return OperationStatus.DestinationTooSmall;
                charsWritten += special.Length;
                idsConsumed++;
                continue;
            }

            string? token = _tokens.GetValueOrDefault(id);
            if (!_byteLevel)
            {
                if (token is not null)
                {
                    if (!token.TryCopyTo(destination[charsWritten..])) return OperationStatus.DestinationTooSmall;
                    charsWritten += token.Length;
                }

                idsConsumed++;
                continue;
            }

            // The original keeps at most 256 bytes of characters that are not complete yet, and reports anything else as invalid.
            if (token is null || token.Length > pending.Length - pendingBytes) return OperationStatus.InvalidData;
            foreach (char character in token) pending[pendingBytes++] = (byte)ByteAlphabet.ToByte(character);
            pendingIds++;
            int complete = PartialUtf8.CompletePrefix(pending[..pendingBytes]);
            if (complete < 0) return OperationStatus.InvalidData;
            if (complete < pendingBytes) continue; // the next token completes the character

            int count = PartialUtf8.ToUtf16(pending[..pendingBytes], characters);
            if (!characters[..count].TryCopyTo(destination[charsWritten..])) return OperationStatus.DestinationTooSmall;
            charsWritten += count;
            idsConsumed += pendingIds;
            (pendingBytes, pendingIds) = (0, 0);
        }

        return OperationStatus.Done;
    }

    private int Encode(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings, List<int>? ids, out int count)
    {
        RequirePositive(settings.MaxTokenCount);
        ReadOnlySpan<char> source = text is null ? textSpan : text;
        count = 0;
        if (source.IsEmpty) return 0;

        int charsConsumed = 0;
        foreach ((int offset, int length) in Words(text, source, settings))
        {
            Word word = Look(source.Slice(offset, length));
            int taken = Math.Min(word.Ids.Length, settings.MaxTokenCount - count);
            ids?.AddRange(word.Ids.AsSpan(0, taken));
            count += taken;
            int units = taken == word.Ids.Length ? length : word.UnitsOfFirst(taken, this);
            charsConsumed = offset + units;
            if (units < length || count >= settings.MaxTokenCount) break;
        }

        return charsConsumed;
    }

    private IEnumerable<(int Offset, int Length)> Words(string? text, ReadOnlySpan<char> source, EncodeSettings settings) =>
        source.IsEmpty ? [] :
        !settings.ConsiderPreTokenization ? [(0, source.Length)] :
        text is null ? PreTokenizer!.PreTokenize(source) : PreTokenizer!.PreTokenize(text);

    private void EncodeWord(ReadOnlySpan<char> text, int offset, List<EncodedToken> tokens)
    {
        if (_specialIds?.TryGetValue(text, out (int Id, string Token) special) == true)
        {
            tokens.Add(new EncodedToken(special.Id, special.Token, new Range(offset, offset + text.Length)));
            return;
        }

        Span<int> sources = new int[text.Length * 3];
        if (_byteLevel) ByteAlphabet.Encode(text, new char[text.Length * 3], sources);
        int position = 0;
        foreach (int id in Look(text).Ids)
        {
            string token = _tokens[id];
            int end = position + token.Length;
            (int first, int last) = _byteLevel ? (sources[position], sources[end - 1] + 1) : (position, end);
            tokens.Add(new EncodedToken(id, token, new Range(offset + first, offset + last)));
            position = end;
        }
    }

    private Word Look(ReadOnlySpan<char> text)
    {
        if (_specialIds?.TryGetValue(text, out (int Id, string Token) special) == true) return new Word([special.Id], text);

        char[]? rented = null;
        int[]? rentedSources = null;
        scoped ReadOnlySpan<char> word = text;
        if (_byteLevel)
        {
            int bound = text.Length * 3;
            Span<char> characters = bound <= 128 ? stackalloc char[128] : rented = ArrayPool<char>.Shared.Rent(bound);
            Span<int> sources = bound <= 128 ? stackalloc int[128] : rentedSources = ArrayPool<int>.Shared.Rent(bound);
            word = characters[..ByteAlphabet.Encode(text, characters, sources)];
        }

        try
        {
            return new Word(Merge(word), text);
        }
        finally
        {
            if (rented is not null) ArrayPool<char>.Shared.Return(rented);
            if (rentedSources is not null) ArrayPool<int>.Shared.Return(rentedSources);
        }
    }

    private int[] Merge(ReadOnlySpan<char> word)
    {
        if (_cachedWords.TryGetValue(word, out int[]? cached)) return cached;

        int[]? rented = null;
        Span<int> symbols = word.Length <= 128 ? stackalloc int[128] : rented = ArrayPool<int>.Shared.Rent(word.Length);
        int count = 0;
        for (int i = 0; i < word.Length;)
        {
            int length = char.IsHighSurrogate(word[i]) && i + 1 < word.Length && char.IsLowSurrogate(word[i + 1]) ? 2 : 1;
            if (_ids.TryGetValue(word.Slice(i, length), out int id)) symbols[count++] = id; // the original drops unknown characters
            i += length;
        }

        int[] ids = symbols[.._merger.Merge(symbols[..count])].ToArray();
        if (rented is not null) ArrayPool<int>.Shared.Return(rented);
        if (word.Length <= LongestCachedWord && Volatile.Read(ref _cachedCount) < CacheCapacity && _cachedWords.TryAdd(word, ids))
        {
            Interlocked.Increment(ref _cachedCount);
        }

        return ids;
    }

    private int IdOf(string token) =>
        _vocabulary.TryGetValue(token, out int id) ? id : throw new InvalidOperationException($"A merge needs token '{token}', which the vocabulary lacks.");

    private static void AppendBytes(string token, ArrayBufferWriter<byte> bytes)
    {
        Span<byte> utf8 = stackalloc byte[4];
        for (int i = 0; i < token.Length; i++)
        {
            int value = ByteAlphabet.ToByte(token[i]);
            if (value >= 0)
            {
                bytes.Write([(byte)value]);
                continue;
            }

            Rune.DecodeFromUtf16(token.AsSpan(i), out Rune rune, out int units);
            bytes.Write(utf8[..rune.EncodeToUtf8(utf8)]);
            i += units - 1;
        }
    }

    private static void RequirePositive(int maxTokenCount, [System.Runtime.CompilerServices.CallerArgumentExpression(nameof(maxTokenCount))] string? name = null)
    {
        if (maxTokenCount <= 0) throw new ArgumentOutOfRangeException(name, maxTokenCount, "At least one token must be allowed.");
    }

    private readonly ref struct Word(int[] ids, ReadOnlySpan<char> text)
    {
        private readonly ReadOnlySpan<char> _text = text;

        public int[] Ids { get; } = ids;

        // Characters that have no token count for neither of these two, as in the original.

        /// <summary>The UTF-16 units of the first <paramref name="count"/> tokens, counted from the text's start.</summary>
        public int UnitsOfFirst(int count, BpeTokenizer tokenizer) => Unit(Length(Ids.AsSpan(0, count), tokenizer), fromEnd: false, tokenizer);

        /// <summary>The UTF-16 units before the last <paramref name="count"/> tokens, counted from the text's end.</summary>
        public int UnitsBeforeLast(int count, BpeTokenizer tokenizer) => Unit(Length(Ids.AsSpan(Ids.Length - count), tokenizer), fromEnd: true, tokenizer);

        private int Unit(int length, bool fromEnd, BpeTokenizer tokenizer)
        {
            if (!tokenizer._byteLevel) return fromEnd ? _text.Length - length : length;

            Span<int> sources = new int[_text.Length * 3];
            int count = ByteAlphabet.Encode(_text, new char[_text.Length * 3], sources);
            int position = fromEnd ? count - length : length;
            return position >= count ? _text.Length : sources[position];
        }

        private static int Length(ReadOnlySpan<int> ids, BpeTokenizer tokenizer)
        {
            int length = 0;
            foreach (int id in ids) length += tokenizer._tokens[id].Length;
            return length;
        }
    }
}
