using System.Runtime.CompilerServices;
using System.Text;

namespace MLNet.Gpt;

/// <summary>The tokens of a tokenizer, special ones left out, as a tree by their bytes, in the order in which it is walked: a node, then its children's trees.</summary>
/// <remarks>Immutable; made once for a tokenizer and kept with it.</remarks>
internal sealed class TokenTrie
{
    private static readonly ConditionalWeakTable<GptTokenizer, TokenTrie> Made = [];

    private readonly ReadOnlyMemory<byte>[] _tokens;

    private TokenTrie(GptTokenizer tokenizer)
    {
        VocabularySize = tokenizer.VocabularySize;
        _tokens = new ReadOnlyMemory<byte>[VocabularySize];
        List<int> ids = [];
        for (int id = 0; id < VocabularySize; id++)
        {
            if (tokenizer.IsSpecialToken(id)) continue;
            _tokens[id] = tokenizer.GetTokenBytes(id);
            if (_tokens[id].Length is > 0 and <= byte.MaxValue) ids.Add(id); // a longer one is a shortcut that is not needed
        }

        // Where each byte has a token of its own, every text can be written from every place within it. Else only whole characters that have one are used.
        var single = new HashSet<byte>(ids.Where(id => _tokens[id].Length == 1).Select(id => _tokens[id].Span[0]));
        if (!Enumerable.Range(0, 256).All(b => b is 0xC0 or 0xC1 or > 0xF4 || single.Contains((byte)b)))
        {
            ids = [.. ids.Where(id => IsText(_tokens[id].Span))];
            Alphabet = CodePointSet.Union(ids.Select(id => Encoding.UTF8.GetString(_tokens[id].Span))
                .Where(static text => text.EnumerateRunes().Count() == 1).Select(static text => CodePointSet.Of(text.EnumerateRunes().First().Value)));
        }

        ids.Sort((a, b) => _tokens[a].Span.SequenceCompareTo(_tokens[b].Span));
        List<byte> bytes = [];
        List<byte> depths = [];
        List<int> ends = [], firstTokens = [];
        var open = new Stack<int>();
        ReadOnlySpan<byte> before = default;
        for (int i = 0; i < ids.Count; i++)
        {
            ReadOnlySpan<byte> token = _tokens[ids[i]].Span;
            int shared = before.CommonPrefixLength(token);
            while (open.Count > shared) ends[open.Pop()] = bytes.Count;
            for (int d = shared; d < token.Length; d++)
            {
                open.Push(bytes.Count);
                bytes.Add(token[d]);
                depths.Add((byte)(d + 1));
                ends.Add(0);
                firstTokens.Add(i);
            }

            before = token;
        }

        while (open.Count > 0) ends[open.Pop()] = bytes.Count;
        firstTokens.Add(ids.Count);
        // The nodes made for one token share its place, so that all but the last have none; a token equal to the one before it makes no node and belongs to that one's.
        (Bytes, Depths, Ends, TokenIds, FirstTokens) = ([.. bytes], [.. depths], [.. ends], [.. ids], [.. firstTokens]);
        MaxDepth = Depths.Length == 0 ? 0 : Depths.Max();
    }

    public int VocabularySize { get; }

    /// <summary>The characters that the tokenizer can write; null for all.</summary>
    public CodePointSet? Alphabet { get; }

    /// <summary>A node's byte.</summary>
    public byte[] Bytes { get; }

    /// <summary>How many bytes lead to a node, its own included.</summary>
    public byte[] Depths { get; }

    /// <summary>The node behind a node's tree.</summary>
    public int[] Ends { get; }

    /// <summary>Where a node's tokens begin in <see cref="TokenIds"/>; they end where the next node's begin.</summary>
    public int[] FirstTokens { get; }

    public int[] TokenIds { get; }

    public int MaxDepth { get; }

    public static TokenTrie Of(GptTokenizer tokenizer) => Made.GetValue(tokenizer, static key => new TokenTrie(key));

    /// <summary>A token's bytes; none for a special token.</summary>
    public ReadOnlySpan<byte> BytesOf(int token) => (uint)token < (uint)_tokens.Length ? _tokens[token].Span : default;

    private static bool IsText(ReadOnlySpan<byte> bytes) => System.Text.Unicode.Utf8.IsValid(bytes);
}
