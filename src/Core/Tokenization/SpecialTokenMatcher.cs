using System.Buffers;

namespace MLNet.Gpt;

/// <summary>Finds special tokens in text: the leftmost, and of those that begin at one place the longest. Immutable.</summary>
/// <remarks>
/// Where the leftmost begins, .NET's search for several strings says, in time linear in the text; which it is, a trie says, in as many
/// steps as the longest token has characters. How many tokens there are matters to neither.
/// </remarks>
internal sealed class SpecialTokenMatcher
{
    private readonly SearchValues<string> _search;

    // The trie: node 0 is the root; _next leads from a node and a character to another, and _tokens says which token ends in a node.
    private readonly Dictionary<(int Node, char Character), int> _next = [];
    private readonly List<string?> _tokens = [null];

    public SpecialTokenMatcher(IReadOnlyCollection<string> tokens)
    {
        _search = SearchValues.Create([.. tokens], StringComparison.Ordinal);
        foreach (string token in tokens)
        {
            int node = 0;
            foreach (char character in token)
            {
                if (!_next.TryGetValue((node, character), out int child))
                {
                    child = _tokens.Count;
                    _next.Add((node, character), child);
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
        index = text.IndexOfAny(_search);
        if (index < 0)
        {
            index = text.Length;
            return false;
        }

        int node = 0;
        for (int i = index; i < text.Length && _next.TryGetValue((node, text[i]), out node); i++) token = _tokens[node] ?? token;
        return token is not null ? true : throw new InvalidOperationException("A search for the special tokens found none of them at the place it gave.");
    }
}
