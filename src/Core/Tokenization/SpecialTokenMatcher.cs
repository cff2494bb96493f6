using System.Buffers;

namespace MLNet.Gpt;

/// <summary>Finds special tokens in text: the leftmost, and of those that begin at one place the longest. Immutable.</summary>
internal sealed class SpecialTokenMatcher
{
    private readonly string[] _longestFirst;
    private readonly SearchValues<string> _search;

    public SpecialTokenMatcher(IEnumerable<string> tokens)
    {
        _longestFirst = [.. tokens.OrderByDescending(token => token.Length).ThenBy(token => token, StringComparer.Ordinal)];
        _search = SearchValues.Create(_longestFirst, StringComparison.Ordinal);
    }

    /// <summary>Finds the first special token in a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="index">Where the token begins; the text's length where there is none.</param>
    /// <param name="token">The token; null where there is none.</param>
    public bool TryFind(ReadOnlySpan<char> text, out int index, out string? token)
    {
        index = text.IndexOfAny(_search);
        if (index < 0)
        {
            (index, token) = (text.Length, null);
            return false;
        }

        foreach (string candidate in _longestFirst)
        {
            if (text[index..].StartsWith(candidate, StringComparison.Ordinal))
            {
                token = candidate;
                return true;
            }
        }

        throw new InvalidOperationException("A search for the special tokens found none of them at the place it gave.");
    }
}
