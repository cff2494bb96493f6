using System.Buffers;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace MLNet.Gpt;

/// <summary>One token for each code point of a fixed set, as a tokenizer of Microsoft.ML.Tokenizers' kind. Immutable.</summary>
/// <param name="tokens">The tokens by id: single code points, and special tokens.</param>
/// <param name="specialTokens">The special tokens and their ids; they are recognized in text where <paramref name="specials"/> is given.</param>
/// <param name="specials">Finds the special tokens in text; null where they are text like any other.</param>
internal sealed class CharacterTokenizer(IReadOnlyList<string> tokens, IReadOnlyDictionary<string, int> specialTokens, SpecialTokenMatcher? specials) : Tokenizer
{
    private readonly Dictionary<Rune, int> _ids = Enumerable.Range(0, tokens.Count)
        .Where(id => !specialTokens.ContainsKey(tokens[id]))
        .ToDictionary(id => Rune.GetRuneAt(tokens[id], 0));

    /// <inheritdoc />
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var encoded = new List<EncodedToken>();
        int consumed = Encode(text is null ? textSpan : text, settings.MaxTokenCount, (id, start, end) => encoded.Add(new EncodedToken(id, tokens[id], new Range(start, end))));
        return new EncodeResults<EncodedToken> { Tokens = encoded, CharsConsumed = consumed };
    }

    /// <inheritdoc />
    protected override EncodeResults<int> EncodeToIds(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var ids = new List<int>(text?.Length ?? textSpan.Length);
        int consumed = Encode(text is null ? textSpan : text, settings.MaxTokenCount, (id, _, _) => ids.Add(id));
        return new EncodeResults<int> { Tokens = ids, CharsConsumed = consumed };
    }

    /// <inheritdoc />
    protected override int CountTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        int count = 0;
        Encode(text is null ? textSpan : text, settings.MaxTokenCount, (_, _, _) => count++);
        return count;
    }

    /// <inheritdoc />
    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
    {
        ArgumentNullException.ThrowIfNull(ids);
        (idsConsumed, charsWritten) = (0, 0);
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)tokens.Count) return OperationStatus.InvalidData;
            if (!tokens[id].TryCopyTo(destination[charsWritten..])) return OperationStatus.DestinationTooSmall;
            charsWritten += tokens[id].Length;
            idsConsumed++;
        }

        return OperationStatus.Done;
    }

    private int Encode(ReadOnlySpan<char> text, int maxTokenCount, Action<int, int, int> emit)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxTokenCount);
        int position = 0, count = 0;
        while (position < text.Length && count < maxTokenCount)
        {
            int special = text.Length - position;
            string? token = null;
            specials?.TryFind(text[position..], out special, out token);
            int end = position + special;
            for (; position < end && count < maxTokenCount; count++)
            {
                Rune.DecodeFromUtf16(text[position..end], out Rune character, out int units); // U+FFFD for a lone surrogate
                if (!_ids.TryGetValue(character, out int id)) throw new UnknownCharacterException(character, position, _ids.Count);
                emit(id, position, position + units);
                position += units;
            }

            if (token is not null && count < maxTokenCount)
            {
                emit(specialTokens[token], position, position + token.Length);
                position += token.Length;
                count++;
            }
        }

        return position;
    }
}
