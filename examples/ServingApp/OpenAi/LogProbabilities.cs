using System.Text;
using MLNet.Gpt;

namespace ServingApp.OpenAi;

/// <summary>Writes what the model thought of an answer's tokens in OpenAI's forms. One for each answer: it counts the characters before a token.</summary>
internal sealed class LogProbabilities(GenerationRequest request)
{
    private const float Least = -9_999; // OpenAI's number for what has no probability

    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private int _characters;

    /// <summary>The member <c>logprobs</c> of an answer or a piece of one; null where nobody asks.</summary>
    /// <param name="tokens">What the model thought of its tokens.</param>
    public object? Write(IReadOnlyList<TokenLogProbability> tokens) =>
        request.Options.TopLogProbabilities is not { } alternatives ? null
        : request.Chat is not null ? new { content = tokens.Select(token => new { token = Show(token.TokenId), logprob = Finite(token.LogProbability), bytes = BytesOf(token.TokenId), top_logprobs = token.Alternatives.Select(Alternative) }), refusal = (object?)null }
        : new
        {
            tokens = tokens.Select(token => Name(token.TokenId)),
            token_logprobs = tokens.Select(static token => Finite(token.LogProbability)),
            top_logprobs = alternatives == 0 ? null : tokens.Select(token => token.Alternatives.GroupBy(other => Name(other.Key)).ToDictionary(static same => same.Key, static same => Finite(same.First().Value))),
            text_offset = tokens.Select(Offset).ToArray(),
        };

    private object Alternative(KeyValuePair<int, float> other) => new { token = Show(other.Key), logprob = Finite(other.Value), bytes = BytesOf(other.Key) };

    private ReadOnlySpan<byte> TextOf(int token) => request.Served.RequireGpt().Tokenizer.GetTokenBytes(token).Span;

    private string Show(int token) => Encoding.UTF8.GetString(TextOf(token));

    private int[] BytesOf(int token) => [.. TextOf(token).ToArray().Select(static value => (int)value)];

    // A part of a character has a name of its own, so that two of them are not the same member.
    private string Name(int token)
    {
        ReadOnlySpan<byte> bytes = TextOf(token);
        return System.Text.Unicode.Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : "bytes:" + string.Concat(bytes.ToArray().Select(static value => $"\\x{value:x2}"));
    }

    private int Offset(TokenLogProbability token)
    {
        int offset = _characters;
        ReadOnlySpan<byte> bytes = request.TextOf(token.TokenId);
        _characters += _decoder.GetChars(bytes, new char[Encoding.UTF8.GetMaxCharCount(bytes.Length)], flush: false);
        return offset;
    }

    private static float Finite(float value) => Math.Max(value, Least);
}
