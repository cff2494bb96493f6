using System.Buffers;
using System.Text;

namespace MLNet.Gpt;

/// <summary>
/// Decodes a text token by token: each call gives the characters that are complete by then, so that a character whose bytes
/// several tokens share is never shown in parts. All that the calls and <see cref="Flush"/> give, joined, is what
/// <see cref="GptTokenizer.Decode"/> gives for all ids at once.
/// </summary>
/// <remarks>Belongs to one thread at a time.</remarks>
public sealed class GptTokenStreamDecoder
{
    private readonly GptTokenizer _tokenizer;
    private readonly bool _skipSpecialTokens;
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();

    internal GptTokenStreamDecoder(GptTokenizer tokenizer, bool skipSpecialTokens)
    {
        _tokenizer = tokenizer;
        _skipSpecialTokens = skipSpecialTokens;
    }

    /// <summary>Takes the next token.</summary>
    /// <param name="id">Its id.</param>
    /// <returns>The characters that it completes; empty where a character's bytes are still to come, or a special token is left out.</returns>
    /// <exception cref="TokenOutOfRangeException">The id is outside the vocabulary; the decoder may be used on.</exception>
    public string Append(int id)
    {
        ReadOnlySpan<byte> bytes = _tokenizer.GetTokenBytes(id).Span;
        return _skipSpecialTokens && _tokenizer.IsSpecialToken(id) ? "" : Convert(bytes, flush: false);
    }

    /// <summary>Ends the text: gives U+FFFD where the last tokens left a character incomplete. Afterwards a new text may begin.</summary>
    public string Flush() => Convert([], flush: true);

    private string Convert(ReadOnlySpan<byte> bytes, bool flush)
    {
        int bound = Encoding.UTF8.GetMaxCharCount(bytes.Length);
        char[]? rented = null;
        Span<char> characters = bound <= 256 ? stackalloc char[256] : rented = ArrayPool<char>.Shared.Rent(bound);
        string text = new(characters[.._decoder.GetChars(bytes, characters, flush)]);
        if (rented is not null) ArrayPool<char>.Shared.Return(rented);
        return text;
    }
}
