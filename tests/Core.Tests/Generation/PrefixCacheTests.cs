namespace MLNet.Gpt.Core.Tests.Generation;

[TestClass]
public sealed class PrefixCacheTests
{
    private static HistoryModel Model => new(100, 200, static _ => new float[100]);

    [TestMethod]
    public void The_longest_known_beginning_is_found_but_for_the_prompts_last_token()
    {
        using HistoryModel model = Model;
        using var cache = new PrefixCache(200);
        Add(cache, model, Tokens(0, 20));
        Add(cache, model, [.. Tokens(0, 16), .. Tokens(50, 14)]);
        Assert.AreEqual(20, Find(cache, [.. Tokens(0, 25)]));
        Assert.AreEqual(29, Find(cache, [.. Tokens(0, 16), .. Tokens(50, 14)]), "its last token has to be computed, for its logits");
        Assert.AreEqual(18, Find(cache, [.. Tokens(0, 18), 99]));
        Assert.AreEqual(16, Find(cache, [.. Tokens(0, 16), 99]));
        Assert.IsNull(Find(cache, [.. Tokens(0, 15), 99]), "fewer than 16 are computed as fast as they are copied");
        Assert.IsNull(Find(cache, [.. Tokens(0, 16)]));
        Assert.AreEqual(20 + 29 + 18 + 16, cache.ReusedTokens);
    }

    [TestMethod]
    public void What_was_not_used_for_the_longest_time_is_forgotten_where_there_is_no_room()
    {
        using HistoryModel model = Model;
        using var cache = new PrefixCache(40);
        Add(cache, model, Tokens(0, 20));
        Add(cache, model, Tokens(30, 20));
        Assert.AreEqual(20, Find(cache, Tokens(0, 21)));
        Add(cache, model, Tokens(60, 20)); // the second has to go: the first was used since
        Assert.AreEqual(20, Find(cache, Tokens(0, 21)));
        Assert.IsNull(Find(cache, Tokens(30, 21)));
        Assert.AreEqual(20, Find(cache, Tokens(60, 21)));
        Assert.AreEqual(2, model.OpenDecoders);

        // 40 tokens fill it; 41 have no room, 15 are too few, and neither sends anything away.
        Add(cache, model, Tokens(20, 41));
        Add(cache, model, Tokens(85, 15));
        Assert.AreEqual(2, model.OpenDecoders);
        Add(cache, model, Tokens(20, 40));
        Assert.AreEqual(1, model.OpenDecoders);
        Assert.AreEqual(39, Find(cache, Tokens(20, 40)));
        Add(cache, model, Tokens(80, 16));
        Assert.AreEqual(16, Find(cache, Tokens(80, 17)));
    }

    [TestMethod]
    public void A_prompt_replaces_its_own_beginning_and_adds_nothing_to_a_longer_one()
    {
        using HistoryModel model = Model;
        var cache = new PrefixCache(100);
        Add(cache, model, Tokens(0, 20));
        Add(cache, model, Tokens(0, 30));
        Assert.AreEqual(1, model.OpenDecoders);
        Add(cache, model, Tokens(0, 30));
        Add(cache, model, Tokens(0, 25));
        Assert.AreEqual(1, model.OpenDecoders);
        Add(cache, model, Tokens(40, 20));
        Assert.AreEqual(2, model.OpenDecoders);
        cache.Dispose();
        Assert.AreEqual(0, model.OpenDecoders);
    }

    [TestMethod]
    public void What_was_computed_with_an_adapter_is_found_with_that_one_alone()
    {
        using HistoryModel model = Model;
        using var cache = new PrefixCache(100);
        var adapter = new NamedAdapter("a");
        Add(cache, model, Tokens(0, 20), adapter);
        Assert.IsNull(Find(cache, Tokens(0, 30)));
        Assert.IsNull(Find(cache, Tokens(0, 30), new NamedAdapter("b")));
        Assert.AreEqual(20, Find(cache, Tokens(0, 30), adapter));

        // The same prompt without one is another entry, which a longer prompt replaces, and the first one stays.
        Add(cache, model, Tokens(0, 20));
        Assert.AreEqual(2, model.OpenDecoders);
        Add(cache, model, Tokens(0, 25));
        Assert.AreEqual(2, model.OpenDecoders);
        Assert.AreEqual(20, Find(cache, Tokens(0, 30), adapter));
        Assert.AreEqual(25, Find(cache, Tokens(0, 30)));
    }

    [TestMethod]
    public void A_copy_that_can_not_be_cut_back_is_freed_and_nothing_counts_as_reused()
    {
        using HistoryModel model = Model;
        using var cache = new PrefixCache(100);
        using (var decoder = (IForkableDecoder)model.BeginDecoding(1, 200))
        {
            decoder.Append(Tokens(0, 20), default, LogitsScope.LastPosition, new float[100]);
            cache.Add(Tokens(0, 20), null, new Uncuttable(decoder));
        }

        Assert.AreEqual("no room", Assert.ThrowsExactly<InsufficientMemoryException>(() => cache.Find(Tokens(0, 21), null, 200)).Message);
        Assert.AreEqual((1, 0L), (model.OpenDecoders, cache.ReusedTokens));
    }

    private static int[] Tokens(int first, int count) => [.. Enumerable.Range(first, count)];

    private static void Add(PrefixCache cache, HistoryModel model, int[] prompt, IModelAdapter? adapter = null)
    {
        using var decoder = (IForkableDecoder)model.BeginDecoding(1, 200);
        decoder.Append(prompt, default, LogitsScope.LastPosition, new float[100]);
        cache.Add(prompt, adapter, decoder);
    }

    private static int? Find(PrefixCache cache, int[] prompt, IModelAdapter? adapter = null)
    {
        using IForkableDecoder? found = cache.Find(prompt, adapter, 200);
        Assert.AreEqual(200, found?.Capacity ?? 200);
        return found?.Length;
    }

    /// <summary>A decoder that fails where it is cut back, as do its copies.</summary>
    private sealed class Uncuttable(IForkableDecoder inner) : IForkableDecoder
    {
        public int RowCount => inner.RowCount;

        public int Length => inner.Length;

        public int Capacity => inner.Capacity;

        public void Append(ReadOnlySpan<int> tokenIds, ReadOnlySpan<byte> mask, LogitsScope scope, Span<float> logits, CancellationToken cancellationToken = default) =>
            inner.Append(tokenIds, mask, scope, logits, cancellationToken);

        public void SelectRows(ReadOnlySpan<int> rows) => inner.SelectRows(rows);

        public IForkableDecoder Fork(int capacity) => new Uncuttable(inner.Fork(capacity));

        public void Truncate(int length) => throw new InsufficientMemoryException("no room");

        public void Join(IForkableDecoder other) => inner.Join(other);

        public void Compact() => inner.Compact();

        public void Dispose() => inner.Dispose();
    }
}
