using System.Buffers;

namespace MLNet.Gpt;

/// <summary>Finds special and added tokens in text: the leftmost, and of those that begin at one place the longest. Immutable.</summary>
/// <remarks>
/// A trie: each place where a special token's first character stands costs as many steps as its text agrees with one of them, however
/// many there are.
/// </remarks>
internal sealed class SpecialTokenMatcher
{
    private readonly SearchValues<char> _firstCharacters;

    // Node 0 is the root; _next leads from a node and a character (node · 2^16 + character) to another; _ids says which token ends in a node, or -1.
    private readonly Dictionary<long, int> _next = [];
    private readonly List<int> _ids = [-1];

    public SpecialTokenMatcher(IReadOnlyCollection<KeyValuePair<string, int>> tokens)
    {
        _firstCharacters = SearchValues.Create([.. tokens.Select(token => token.Key[0]).Distinct()]);
        foreach ((string token, int id) in tokens)
        {
            int node = 0;
            foreach (char character in token)
            {
                if (!_next.TryGetValue(((long)node << 16) | character, out int child))
                {
                    child = _ids.Count;
                    _next.Add(((long)node << 16) | character, child);
                    _ids.Add(-1);
                }

                node = child;
            }

            _ids[node] = id;
        }
    }

    /// <summary>Finds the first token in a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="index">Where the token begins; the text's length where there is none.</param>
    /// <param name="length">Its length; 0 where there is none.</param>
    /// <param name="id">Its id; -1 where there is none.</param>
    public bool TryFind(ReadOnlySpan<char> text, out int index, out int length, out int id)
    {
        (length, id) = (0, -1);
        for (index = 0; index < text.Length; index++)
        {
            int candidate = text[index..].IndexOfAny(_firstCharacters);
            if (candidate < 0) break;
            index += candidate;
            int node = 0;
            for (int i = index; i < text.Length && _next.TryGetValue(((long)node << 16) | text[i], out node); i++)
            {
                if (_ids[node] >= 0) (length, id) = (i + 1 - index, _ids[node]);
            }

            if (id >= 0) return true;
        }

        index = text.Length;
        return false;
    }
}
