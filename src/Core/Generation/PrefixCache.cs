namespace MLNet.Gpt;

/// <summary>What was computed for the prompts of late, so that a prompt that begins like one of them continues from there.</summary>
/// <param name="maxTokens">The most tokens that are kept, over all prompts; 0 keeps none.</param>
internal sealed class PrefixCache(int maxTokens) : IDisposable
{
    // Fewer tokens than this are computed as fast as they are copied.
    private const int Least = 16;

    private readonly LinkedList<(int[] Tokens, IModelAdapter? Adapter, IForkableDecoder Decoder)> _entries = []; // the one used last comes first

    /// <summary>The tokens of prompts that were not computed again.</summary>
    public long ReusedTokens { get; private set; }

    /// <summary>A decoder of one row that stands behind as much of a prompt as is known with the same adapter, but for its last token; null where too little is.</summary>
    public IForkableDecoder? Find(int[] prompt, IModelAdapter? adapter, int capacity)
    {
        LinkedListNode<(int[] Tokens, IModelAdapter? Adapter, IForkableDecoder Decoder)>? best = null;
        int length = Least - 1;
        for (var node = _entries.First; node is not null; node = node.Next)
        {
            if (node.Value.Adapter != adapter) continue;
            int common = Math.Min(node.Value.Tokens.AsSpan().CommonPrefixLength(prompt), prompt.Length - 1);
            if (common > length) (best, length) = (node, common);
        }

        if (best is null) return null;
        _entries.Remove(best);
        _entries.AddFirst(best);
        IForkableDecoder found = best.Value.Decoder.Fork(capacity);
        try
        {
            found.Truncate(length);
        }
        catch
        {
            found.Dispose();
            throw;
        }

        ReusedTokens += length;
        return found;
    }

    /// <summary>Keeps what was computed for a prompt; forgets what was not used for the longest time where there is no room, and what the prompt begins with.</summary>
    public void Add(int[] prompt, IModelAdapter? adapter, IForkableDecoder decoder)
    {
        if (prompt.Length < Least || prompt.Length > maxTokens || _entries.Any(entry => entry.Adapter == adapter && entry.Tokens.AsSpan().StartsWith(prompt))) return;
        for (var node = _entries.First; node is not null;)
        {
            var next = node.Next;
            if (node.Value.Adapter == adapter && prompt.AsSpan().StartsWith(node.Value.Tokens)) Remove(node);
            node = next;
        }

        while (_entries.Sum(static entry => entry.Tokens.Length) + prompt.Length > maxTokens) Remove(_entries.Last!);
        _entries.AddFirst((prompt, adapter, decoder.Fork(prompt.Length)));
    }

    public void Dispose()
    {
        while (_entries.First is { } first) Remove(first);
    }

    private void Remove(LinkedListNode<(int[] Tokens, IModelAdapter? Adapter, IForkableDecoder Decoder)> node)
    {
        node.Value.Decoder.Dispose();
        _entries.Remove(node);
    }
}
