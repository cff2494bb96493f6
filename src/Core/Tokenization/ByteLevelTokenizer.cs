using System.Buffers;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace MLNet.Gpt;

/// <summary>
/// Byte-level BPE as a tokenizer of Microsoft.ML.Tokenizers' kind, over this library's own merge loop. A lone surrogate counts as
/// U+FFFD. Immutable.
/// </summary>
/// <remarks>
/// The place of a token is that of the characters that it holds a byte of. A limit on the number of tokens never cuts a character:
/// where it would, there are fewer tokens.
/// </remarks>
/// <param name="definition">The vocabulary.</param>
/// <param name="encoder">Encodes words of it.</param>
/// <param name="specials">Finds the special and added tokens in text; null where there are none, or they are text like any other.</param>
internal sealed class ByteLevelTokenizer(TokenizerDefinition definition, BytePairEncoder encoder, SpecialTokenMatcher? specials) : Tokenizer
{
    /// <inheritdoc />
    public override PreTokenizer PreTokenizer { get; } = new GptPreTokenizer(specials);

    /// <summary>All tokens of a text.</summary>
    public int[] Encode(string text)
    {
        using var tokens = new TokenBuffer(text.Length / 3);
        Encode(GptTokenizer.WellFormed(text), int.MaxValue, cutWords: true, tokens);
        return tokens.Written.ToArray();
    }

    /// <inheritdoc />
    public override string Decode(IEnumerable<int> ids) => base.Decode(ids)!;

    /// <inheritdoc />
    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
    {
        ArgumentNullException.ThrowIfNull(ids);
        (idsConsumed, charsWritten) = (0, 0);
        var bytes = new ArrayBufferWriter<byte>();
        int read = 0;
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)definition.TokenBytes.Length) return OperationStatus.InvalidData;
            bytes.Write(definition.TokenBytes[id]);
            read++;

            // Half a character waits for its other tokens.
            if (Rune.DecodeLastFromUtf8(bytes.WrittenSpan, out _, out _) == OperationStatus.NeedMoreData) continue;
            if (!Flush(destination[charsWritten..], ref charsWritten)) return OperationStatus.DestinationTooSmall;
            idsConsumed = read;
        }

        if (!Flush(destination[charsWritten..], ref charsWritten)) return OperationStatus.DestinationTooSmall;
        idsConsumed = read;
        return OperationStatus.Done;

        bool Flush(Span<char> rest, ref int written)
        {
            if (Encoding.UTF8.GetCharCount(bytes.WrittenSpan) > rest.Length) return false;
            written += Encoding.UTF8.GetChars(bytes.WrittenSpan, rest);
            bytes.ResetWrittenCount();
            return true;
        }
    }

    /// <inheritdoc />
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        string source = GptTokenizer.WellFormed(text ?? textSpan.ToString());
        using var tokens = new TokenBuffer(source.Length / 3);
        int consumed = Encode(source, settings.MaxTokenCount, settings.ConsiderPreTokenization, tokens);
        var encoded = new List<EncodedToken>(tokens.Count);
        var place = new BytePlace(source);
        foreach (int id in tokens.Written)
        {
            int first = place.Character;
            place.Move(definition.TokenBytes[id].Length - 1);
            encoded.Add(new EncodedToken(id, definition.Tokens[id], new Range(first, place.CharacterEnd)));
            place.Move(1);
        }

        return new EncodeResults<EncodedToken> { Tokens = encoded, CharsConsumed = consumed };
    }

    /// <inheritdoc />
    protected override EncodeResults<int> EncodeToIds(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        string source = GptTokenizer.WellFormed(text ?? textSpan.ToString());
        using var tokens = new TokenBuffer(source.Length / 3);
        int consumed = Encode(source, settings.MaxTokenCount, settings.ConsiderPreTokenization, tokens);
        return new EncodeResults<int> { Tokens = tokens.Written.ToArray(), CharsConsumed = consumed };
    }

    /// <inheritdoc />
    protected override int CountTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        string source = GptTokenizer.WellFormed(text ?? textSpan.ToString());
        using var tokens = new TokenBuffer(source.Length / 3);
        Encode(source, settings.MaxTokenCount, settings.ConsiderPreTokenization, tokens);
        return tokens.Count;
    }

    /// <inheritdoc />
    protected override int GetIndexByTokenCount(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings, bool fromEnd, out string? normalizedText, out int tokenCount)
    {
        normalizedText = null;
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(settings.MaxTokenCount);
        string source = GptTokenizer.WellFormed(text ?? textSpan.ToString());
        using var tokens = new TokenBuffer(source.Length / 3);
        int consumed = Encode(source, fromEnd ? int.MaxValue : settings.MaxTokenCount, settings.ConsiderPreTokenization, tokens);
        tokenCount = tokens.Count;
        if (!fromEnd) return consumed;

        // Tokens go from the front, until few enough are left and the place is between two characters.
        var place = new BytePlace(source);
        int left = 0;
        foreach (int id in tokens.Written)
        {
            if (tokens.Count - left <= settings.MaxTokenCount && place.IsAtCharacter) break;
            place.Move(definition.TokenBytes[id].Length);
            left++;
        }

        tokenCount -= left;
        return place.Character;
    }

    /// <summary>Appends the tokens of a text, not more than <paramref name="limit"/>; returns the characters that they stand for.</summary>
    private int Encode(string text, int limit, bool cutWords, TokenBuffer tokens)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit);
        ReadOnlySpan<char> rest = text;
        while (!rest.IsEmpty && tokens.Count < limit)
        {
            (int end, int length, int id) whole = (rest.Length, 0, -1);
            specials?.TryFind(rest, out whole.end, out whole.length, out whole.id);
            for (ReadOnlySpan<char> words = rest[..whole.end]; !words.IsEmpty;)
            {
                int length = cutWords ? GptPreTokenizer.FirstWordLength(words) : words.Length;
                encoder.Encode(words[..length], tokens);
                words = words[length..];
                if (tokens.Count >= limit && (tokens.Count > limit || !words.IsEmpty)) return Cut(text, limit, tokens);
            }

            rest = rest[whole.end..];
            if (whole.id < 0 || tokens.Count >= limit) continue;
            tokens.Add(whole.id);
            rest = rest[whole.length..];
        }

        return text.Length - rest.Length;
    }

    /// <summary>Leaves as many tokens as the limit allows and as end with a character.</summary>
    private int Cut(string text, int limit, TokenBuffer tokens)
    {
        var place = new BytePlace(text);
        int kept = 0, consumed = 0;
        for (int i = 0; i < limit; i++)
        {
            place.Move(definition.TokenBytes[tokens.Written[i]].Length);
            if (place.IsAtCharacter) (kept, consumed) = (i + 1, place.Character);
        }

        tokens.GiveBack(tokens.Count - kept);
        return consumed;
    }

    /// <summary>A place in a text's UTF-8, and the character that it is in.</summary>
    private ref struct BytePlace(ReadOnlySpan<char> text)
    {
        private readonly ReadOnlySpan<char> _text = text;
        private int _byte; // within the character

        /// <summary>Where the character begins, in UTF-16 units.</summary>
        public int Character { get; private set; }

        /// <summary>Where it ends.</summary>
        public readonly int CharacterEnd => Character + (char.IsHighSurrogate(_text[Character]) ? 2 : 1);

        public readonly bool IsAtCharacter => _byte == 0;

        public void Move(int bytes)
        {
            _byte += bytes;
            while (Character < _text.Length)
            {
                char unit = _text[Character];
                int length = unit < 0x80 ? 1 : unit < 0x800 ? 2 : char.IsHighSurrogate(unit) ? 4 : 3;
                if (_byte < length) break;
                _byte -= length;
                Character = CharacterEnd;
            }
        }
    }
}
