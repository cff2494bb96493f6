using System.Buffers;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace MLNet.Gpt;

/// <summary>One token for each code point of a fixed set, as a tokenizer of Microsoft.ML.Tokenizers' kind. Immutable.</summary>
/// <param name="definition">The vocabulary: single code points, and special and added tokens.</param>
/// <param name="specials">Finds the special and added tokens in text; null where there are none, or they are text like any other.</param>
internal sealed class CharacterTokenizer(TokenizerDefinition definition, SpecialTokenMatcher? specials) : Tokenizer
{
    private readonly IReadOnlyList<string> _tokens = definition.Tokens;

    private readonly Dictionary<Rune, int> _ids = Enumerable.Range(0, definition.Tokens.Count)
        .Where(id => !definition.IsWhole[id])
        .ToDictionary(id => Rune.GetRuneAt(definition.Tokens[id], 0));

    /// <inheritdoc />
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var encoded = new List<EncodedToken>();
        int consumed = Encode(text is null ? textSpan : text, settings.MaxTokenCount, (id, start, end) => encoded.Add(new EncodedToken(id, _tokens[id], new Range(start, end))));
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
            if ((uint)id >= (uint)_tokens.Count) return OperationStatus.InvalidData;
            if (!_tokens[id].TryCopyTo(destination[charsWritten..])) return OperationStatus.DestinationTooSmall;
            charsWritten += _tokens[id].Length;
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
            (int index, int length, int id) whole = (text.Length - position, 0, -1);
            specials?.TryFind(text[position..], out whole.index, out whole.length, out whole.id);
            int end = position + whole.index;
            for (; position < end && count < maxTokenCount; count++)
            {
                Rune.DecodeFromUtf16(text[position..end], out Rune character, out int units); // U+FFFD for a lone surrogate
                if (!_ids.TryGetValue(character, out int id)) throw new UnknownCharacterException(character, position, _ids.Count);
                emit(id, position, position + units);
                position += units;
            }

            if (whole.id >= 0 && count < maxTokenCount)
            {
                emit(whole.id, position, position + whole.length);
                position += whole.length;
                count++;
            }
        }

        return position;
    }
}
