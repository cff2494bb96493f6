using System.Buffers;

namespace MLNet.Gpt;

/// <summary>Finds special tokens in text: the leftmost, and of those that begin at one place the longest. Immutable.</summary>
/// <remarks>
/// A trie: each place where a special token's first character stands costs as many steps as its text agrees with one of them, however
/// many there are.
/// </remarks>
internal sealed class SpecialTokenMatcher
{
    private readonly SearchValues<char> _firstCharacters;

    // Node 0 is the root; _next leads from a node and a character (node · 2^16 + character) to another; _tokens says which token ends in a node.
    private readonly Dictionary<long, int> _next = [];
    private readonly List<string?> _tokens = [null];

    public SpecialTokenMatcher(IReadOnlyCollection<string> tokens)
    {
        _firstCharacters = SearchValues.Create([.. tokens.Select(token => token[0]).Distinct()]);
        foreach (string token in tokens)
        {
            int node = 0;
            foreach (char character in token)
            {
                if (!_next.TryGetValue(((long)node << 16) | character, out int child))
                {
                    child = _tokens.Count;
                    _next.Add(((long)node << 16) | character, child);
                    _tokens.Add(null);
                }

                node = child;
            }

            _tokens[node] = token;
        }
    }

    /// <summary>Finds the first special token in a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="index">Where the token begins; the text's length where there is none.</param>
    /// <param name="token">The token; null where there is none.</param>
    public bool TryFind(ReadOnlySpan<char> text, out int index, out string? token)
    {
        token = null;
        for (index = 0; index < text.Length; index++)
        {
            int candidate = text[index..].IndexOfAny(_firstCharacters);
            if (candidate < 0) break;
            index += candidate;
            int node = 0;
            for (int i = index; i < text.Length && _next.TryGetValue(((long)node << 16) | text[i], out node); i++) token = _tokens[node] ?? token;
            if (token is not null) return true;
        }

        index = text.Length;
        return false;
    }
}
