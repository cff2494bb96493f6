using System.Collections.Concurrent;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests.Engine;

/// <summary>Decoding with a cache whose past and present share a buffer (D = 16), and with one that has two (D = 12, which the operator for the first does not take).</summary>
public abstract class OnnxDecoderTests(int headCount)
{
    private static readonly ConcurrentDictionary<int, Lazy<(TestPackage Package, OnnxCausalModel Model)>> Loaded = [];

    private static GptConfig Small { get; } = new()
    {
        VocabularySize = 97, ContextLength = 224, EmbeddingSize = 48, LayerCount = 3, HeadCount = 4,
    };

    private OnnxCausalModel Model => Loaded.GetOrAdd(headCount, static heads => new(() =>
    {
        TestPackage package = TestPackage.Of(Small with { HeadCount = heads });
        return (package, package.Load());
    })).Value.Model;

    private protected static void Delete(int headCount)
    {
        if (!Loaded.TryRemove(headCount, out Lazy<(TestPackage Package, OnnxCausalModel Model)>? loaded)) return;
        loaded.Value.Model.Dispose();
        loaded.Value.Package.Dispose();
    }

    [TestMethod]
    public void The_cache_is_of_the_kind_that_the_graph_allows() => Assert.AreEqual(headCount == 3, Model.Cache.IsShared);

    [TestMethod]
    public void Rows_go_on_with_several_tokens_at_once_and_may_be_padded_meanwhile()
    {
        using ICausalDecoder decoder = Model.BeginDecoding(3, 12);
        _ = Logits.Of(Model, decoder, [5, 17, 60, 8, 0, 33], [1, 1, 1, 1, 0, 1]);
        float[] logits = Logits.Of(Model, decoder, [1, 2, 3, 0, 4, 5, 7, 8, 9], [1, 1, 1, 0, 1, 1, 1, 1, 1], LogitsScope.AllPositions);
        float[] last = Logits.Of(Model, decoder, [10, 11, 12, 13, 14, 15]);
        int[][] sequences = [[5, 17, 1, 2, 3, 10, 11], [60, 8, 4, 5, 12, 13], [33, 7, 8, 9, 14, 15]];
        for (int row = 0; row < 3; row++)
        {
            float[] alone = Logits.OfSequence(Model, sequences[row]);
            int length = sequences[row].Length, seen = row == 1 ? 2 : 3;
            Logits.AreClose(alone.AsSpan((length - 2 - seen) * 97, seen * 97), logits.AsSpan(((row * 3) + 3 - seen) * 97, seen * 97));
            Logits.AreClose(alone.AsSpan((length - 1) * 97), last.AsSpan(row * 97, 97));
        }
    }

    [TestMethod]
    public void Two_hundred_greedy_tokens_are_the_same_with_the_cache_and_without()
    {
        int[] prompt = [5, 17, 3];
        List<int> cached = [.. prompt], uncached = [.. prompt];
        using ICausalDecoder decoder = Model.BeginDecoding(1, 203);
        float[] logits = Logits.Of(Model, decoder, prompt);
        for (int step = 0; step < 200; step++)
        {
            cached.Add(Logits.Best(logits));
            if (step < 199) logits = Logits.Of(Model, decoder, [cached[^1]]);

            using ICausalDecoder fresh = Model.BeginDecoding(1, uncached.Count);
            uncached.Add(Logits.Best(Logits.Of(Model, fresh, uncached.ToArray())));
        }

        CollectionAssert.AreEqual(uncached, cached);
        Assert.IsGreaterThan(10, cached.Distinct().Count(), "The sequence is too plain to prove anything.");
    }

    [TestMethod]
    public void Rows_padded_on_the_left_continue_as_they_do_alone()
    {
        int[][] prompts = [[5, 17, 3, 88, 41, 2, 9], [60, 8], [33]];
        (int[] ids, byte[] mask) = Logits.PadLeft(prompts);
        using ICausalDecoder batch = Model.BeginDecoding(3, 40);
        float[] logits = Logits.Of(Model, batch, ids, mask);
        ICausalDecoder[] alone = [.. prompts.Select(_ => Model.BeginDecoding(1, 40))];
        float[][] expected = [.. prompts.Select((prompt, row) => Logits.Of(Model, alone[row], prompt))];
        for (int step = 0; step < 33; step++)
        {
            int[] next = new int[3];
            for (int row = 0; row < 3; row++)
            {
                Logits.AreClose(expected[row], logits.AsSpan(row * 97, 97));
                next[row] = Logits.Best(expected[row]);
                if (step < 32) expected[row] = Logits.Of(Model, alone[row], [next[row]]);
            }

            if (step < 32) logits = Logits.Of(Model, batch, next);
        }

        foreach (ICausalDecoder decoder in alone) decoder.Dispose();
    }

    [TestMethod]
    [DataRow(new[] { 0, 1, 2, 3 }, DisplayName = "all")]
    [DataRow(new[] { 0, 1 }, DisplayName = "the first two")]
    [DataRow(new[] { 3 }, DisplayName = "the last")]
    [DataRow(new[] { 2, 0 }, DisplayName = "two in another order")]
    [DataRow(new[] { 3, 2, 1, 0 }, DisplayName = "all in reverse")]
    [DataRow(new[] { 1, 1, 1, 2, 0, 3, 1 }, DisplayName = "more than there were")]
    public void Selected_rows_continue_as_if_the_others_had_never_been(int[] rows)
    {
        int[][] prompts = [[5, 17, 3, 88], [60, 8], [33, 2, 7], [90]];
        (int[] ids, byte[] mask) = Logits.PadLeft(prompts);
        using ICausalDecoder decoder = Model.BeginDecoding(4, 12);
        _ = Logits.Of(Model, decoder, ids, mask);
        _ = Logits.Of(Model, decoder, [1, 2, 3, 4]);

        decoder.SelectRows(rows);

        Assert.AreEqual(rows.Length, decoder.RowCount);
        Assert.AreEqual(5, decoder.Length);
        for (int step = 0; step < 3; step++)
        {
            int[] next = [.. rows.Select((_, i) => 10 + step + i)];
            float[] logits = Logits.Of(Model, decoder, next);
            for (int i = 0; i < rows.Length; i++)
            {
                int[] sequence = [.. prompts[rows[i]], rows[i] + 1, .. Enumerable.Range(0, step + 1).Select(s => 10 + s + i)];
                float[] alone = Logits.OfSequence(Model, sequence);
                Logits.AreClose(alone.AsSpan(alone.Length - 97), logits.AsSpan(i * 97, 97));
            }
        }
    }

    [TestMethod]
    public void Rows_can_be_selected_before_anything_is_appended_and_again_and_again()
    {
        using ICausalDecoder decoder = Model.BeginDecoding(1, 4);
        decoder.SelectRows([0, 0, 0]);
        _ = Logits.Of(Model, decoder, [1, 2, 3]);
        decoder.SelectRows([2, 1]);
        decoder.SelectRows([1, 0, 1, 0]);
        float[] logits = Logits.Of(Model, decoder, [7, 7, 7, 7]);
        int[] first = [2, 3, 2, 3];
        for (int row = 0; row < 4; row++)
        {
            float[] alone = Logits.OfSequence(Model, [first[row], 7]);
            Logits.AreClose(alone.AsSpan(97), logits.AsSpan(row * 97, 97));
        }
    }

    [TestMethod]
    public void Padding_may_also_come_later()
    {
        // Row 1 stands still for one step: it sees 4, 9; row 0 sees 4, 6, 9.
        using ICausalDecoder decoder = Model.BeginDecoding(2, 3);
        _ = Logits.Of(Model, decoder, [4, 4]);
        _ = Logits.Of(Model, decoder, [6, 0], [1, 0]);
        float[] logits = Logits.Of(Model, decoder, [9, 9]);
        Logits.AreClose(Logits.OfSequence(Model, [4, 6, 9]).AsSpan(2 * 97), logits.AsSpan(0, 97));
        Logits.AreClose(Logits.OfSequence(Model, [4, 9]).AsSpan(97), logits.AsSpan(97));
    }

    [TestMethod]
    public void A_row_of_padding_alone_has_finite_logits()
    {
        using ICausalDecoder decoder = Model.BeginDecoding(2, 3);
        float[] logits = Logits.Of(Model, decoder, [4, 5, 0, 0], [1, 1, 0, 0], LogitsScope.AllPositions);
        Assert.IsTrue(logits.All(float.IsFinite));
        Logits.AreClose(Logits.OfSequence(Model, [4, 5]), logits.AsSpan(0, 2 * 97));
    }

    [TestMethod]
    public void Threads_that_decode_at_once_get_what_each_gets_alone()
    {
        int[][] prompts = [.. Enumerable.Range(0, 8).Select(static i => Enumerable.Range(0, 5 + (11 * i)).Select(j => ((i * 31) + (j * 7)) % 97).ToArray())];
        float[][] expected = [.. prompts.Select(prompt => Decode(prompt))];
        float[][] found = new float[prompts.Length][];
        Parallel.For(0, prompts.Length, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i => found[i] = Decode(prompts[i]));
        for (int i = 0; i < prompts.Length; i++) Logits.AreClose(expected[i], found[i]);

        float[] Decode(int[] prompt)
        {
            using ICausalDecoder decoder = Model.BeginDecoding(1, prompt.Length + 20);
            float[] logits = Logits.Of(Model, decoder, prompt);
            for (int step = 0; step < 20; step++)
            {
                decoder.SelectRows([0]);
                logits = Logits.Of(Model, decoder, [Logits.Best(logits)]);
            }

            return logits;
        }
    }

    [TestMethod]
    public void A_wrong_call_leaves_the_decoder_as_it_was()
    {
        using ICausalDecoder decoder = Model.BeginDecoding(1, 230);
        _ = Logits.Of(Model, decoder, [5, 17]);
        float[] one = new float[97];

        var range = Assert.ThrowsExactly<TokenOutOfRangeException>(() => decoder.Append([97], default, LogitsScope.LastPosition, one));
        Assert.AreEqual(97, range.TokenId);
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => decoder.Append([-1], default, LogitsScope.LastPosition, one));
        Assert.ThrowsExactly<ArgumentException>(() => decoder.Append([3], default, LogitsScope.LastPosition, new float[96]));
        Assert.ThrowsExactly<ArgumentException>(() => decoder.Append([3], [1, 1], LogitsScope.LastPosition, one));
        Assert.ThrowsExactly<ArgumentException>(() => decoder.Append([], default, LogitsScope.LastPosition, one));
        Assert.ThrowsExactly<ArgumentException>(() => decoder.Append(new int[229], default, LogitsScope.LastPosition, one));
        var tooLong = Assert.ThrowsExactly<PromptTooLongException>(() => decoder.Append(new int[223], default, LogitsScope.LastPosition, one));
        Assert.AreEqual((225, 224), (tooLong.TokenCount, tooLong.Limit));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => decoder.SelectRows([1]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => decoder.SelectRows([]));

        Assert.AreEqual((1, 2, 230), (decoder.RowCount, decoder.Length, decoder.Capacity));
        Logits.AreClose(Logits.OfSequence(Model, [5, 17, 3]).AsSpan(2 * 97), Logits.Of(Model, decoder, [3]));
    }

    [TestMethod]
    public void Padding_does_not_count_towards_the_context()
    {
        // 224 positions are the context; 226 places with 2 of padding hold 224.
        using ICausalDecoder decoder = Model.BeginDecoding(1, 227);
        byte[] mask = new byte[226];
        mask.AsSpan(2).Fill(1);
        float[] logits = Logits.Of(Model, decoder, new int[226], mask);
        float[] alone = Logits.OfSequence(Model, new int[224]);
        Logits.AreClose(alone.AsSpan(alone.Length - 97), logits);
        Assert.ThrowsExactly<PromptTooLongException>(() => decoder.Append([1], default, LogitsScope.LastPosition, logits));
    }

    [TestMethod]
    public void A_batch_needs_a_row_and_room()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Model.BeginDecoding(0, 1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Model.BeginDecoding(1, 0));
    }

    [TestMethod]
    public void A_disposed_decoder_or_model_says_so()
    {
        ICausalDecoder decoder = Model.BeginDecoding(1, 4);
        decoder.Dispose();
        decoder.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => decoder.Append([1], default, LogitsScope.LastPosition, new float[97]));
        Assert.ThrowsExactly<ObjectDisposedException>(() => decoder.SelectRows([0]));

        using TestPackage package = TestPackage.Of(Small with { HeadCount = headCount });
        OnnxCausalModel model = package.Load();
        model.Dispose();
        model.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.BeginDecoding(1, 1));
    }

    [TestMethod]
    public void A_token_allocates_no_more_managed_memory_late_than_early()
    {
        // What ONNX Runtime's managed API allocates for its handles and lists: some kilobytes, whatever the length.
        using ICausalDecoder decoder = Model.BeginDecoding(1, 210);
        float[] logits = Logits.Of(Model, decoder, [1, 2, 3]);
        for (int i = 0; i < 5; i++) decoder.Append([7], default, LogitsScope.LastPosition, logits);
        long early = Measure(), late;
        for (int i = 0; i < 150; i++) decoder.Append([7], default, LogitsScope.LastPosition, logits);
        late = Measure();
        Assert.IsLessThanOrEqualTo(early + 2_048, late);
        Assert.IsLessThan(10_000, late);

        long Measure()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 10; i++) decoder.Append([7], default, LogitsScope.LastPosition, logits);
            return (GC.GetAllocatedBytesForCurrentThread() - before) / 10;
        }
    }

    [TestMethod]
    public void Two_hundred_generations_do_not_make_the_process_grow()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("The resident set is read from /proc, which only Linux has.");
        for (int i = 0; i < 40; i++) Generate(i);
        GC.Collect();
        long before = ResidentBytes();
        for (int i = 0; i < 200; i++) Generate(i);
        GC.Collect();

        // One forgotten cache is 3 layers x 2 x 2 buffers x 3 rows x 60 x 48 floats = 415 kB, 200 of them 83 MB. Other tests run meanwhile.
        Assert.IsLessThan(40_000_000, ResidentBytes() - before);

        void Generate(int i)
        {
            using ICausalDecoder decoder = Model.BeginDecoding(2, 60);
            float[] logits = new float[3 * 97];
            decoder.Append(new int[2 * (1 + (i % 20))], default, LogitsScope.LastPosition, logits.AsSpan(0, 2 * 97));
            decoder.SelectRows([1, 0, 1]);
            for (int step = 0; step < 10; step++) decoder.Append([1, 2, 3], default, LogitsScope.LastPosition, logits);
        }

        static long ResidentBytes() =>
            long.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture) * Environment.SystemPageSize;
    }
}

[TestClass]
public sealed class SharedCacheDecoderTests() : OnnxDecoderTests(headCount: 3)
{
    [ClassCleanup]
    public static void Delete() => Delete(3);
}

[TestClass]
public sealed class GrowingCacheDecoderTests() : OnnxDecoderTests(headCount: 4)
{
    [ClassCleanup]
    public static void Delete() => Delete(4);
}
