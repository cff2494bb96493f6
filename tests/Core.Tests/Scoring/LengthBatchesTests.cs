namespace MLNet.Gpt.Core.Tests.Scoring;

[TestClass]
public sealed class LengthBatchesTests
{
    [TestMethod]
    public void Short_sequences_leave_a_long_one_where_padding_costs_more_than_a_batch()
    {
        // On a CPU a batch costs as much as 16 tokens. Lengths 20, 20, 2, 2: together 4 · 20 + 16 = 96; apart 40 + 16 and 4 + 16: 76.
        Equal([[1, 3], [0, 2]], LengthBatches.Divide([2, 20, 2, 20], [1, 1, 1, 1], 1_000, GptDevice.Cpu));

        // Lengths 20, 20, 14, 14: together 96; apart 56 and 44: 100.
        Equal([[1, 3, 0, 2]], LengthBatches.Divide([14, 20, 14, 20], [1, 1, 1, 1], 1_000, GptDevice.Cpu));

        // On a GPU a batch costs as much as 256: the first four stay together there.
        Equal([[1, 3, 0, 2]], LengthBatches.Divide([2, 20, 2, 20], [1, 1, 1, 1], 1_000, GptDevice.Cuda()));
    }

    [TestMethod]
    public void A_batch_has_no_more_tokens_than_it_may_and_an_item_is_never_divided()
    {
        // 4 tokens a sequence: 25 of them fit 100.
        CollectionAssert.AreEqual(new[] { 25, 25, 10 }.Order().ToArray(), Sizes(60, 4, 1, 100).Order().ToArray());
        CollectionAssert.AreEqual(new[] { 1, 1, 1 }, Sizes(3, 50, 3, 100)); // 150 tokens an item
        CollectionAssert.AreEqual(new[] { 2, 1 }.Order().ToArray(), Sizes(3, 10, 5, 100).Order().ToArray());
        CollectionAssert.AreEqual(new[] { 1_024 / 8, 1_024 / 8 }, Sizes(256, 8, 1, null));
        Assert.IsEmpty(LengthBatches.Divide([], [], null, GptDevice.Cpu));

        static int[] Sizes(int items, int width, int rows, int? maxTokens) =>
            [.. LengthBatches.Divide([.. Enumerable.Repeat(width, items)], [.. Enumerable.Repeat(rows, items)], maxTokens, GptDevice.Cpu).Select(static batch => batch.Length)];
    }

    [TestMethod]
    public void No_other_division_of_the_sorted_items_costs_less()
    {
        var random = new Random(7);
        for (int round = 0; round < 200; round++)
        {
            int n = random.Next(1, 11), most = random.Next(20, 300);
            int[] widths = [.. Enumerable.Range(0, n).Select(_ => random.Next(1, 80))], rows = [.. Enumerable.Range(0, n).Select(_ => random.Next(1, 4))];
            IReadOnlyList<int[]> batches = LengthBatches.Divide(widths, rows, most, GptDevice.Cpu);
            CollectionAssert.AreEqual(Enumerable.Range(0, n).ToArray(), batches.SelectMany(static batch => batch).Order().ToArray());
            long found = batches.Sum(batch => Cost(widths, rows, batch));
            Assert.IsTrue(batches.All(batch => batch.Length == 1 || Cost(widths, rows, batch) - 16 <= most));

            // Every division: a bit for each place between two neighbours says whether they are apart.
            int[] sorted = [.. Enumerable.Range(0, n).OrderByDescending(i => widths[i])];
            long least = long.MaxValue;
            for (int cuts = 0; cuts < 1 << (n - 1); cuts++)
            {
                List<List<int>> division = [[sorted[0]]];
                for (int i = 1; i < n; i++)
                {
                    if ((cuts >> (i - 1) & 1) != 0) division.Add([]);
                    division[^1].Add(sorted[i]);
                }

                if (division.TrueForAll(batch => batch.Count == 1 || Cost(widths, rows, batch) - 16 <= most)) least = Math.Min(least, division.Sum(batch => Cost(widths, rows, batch)));
            }

            Assert.AreEqual(least, found);
        }
    }

    [TestMethod]
    public void Hundreds_of_items_cost_as_little_as_when_every_end_of_every_batch_is_tried()
    {
        var random = new Random(8);
        for (int round = 0; round < 100; round++)
        {
            int n = random.Next(100, 400), most = random.Next(20, 20_000), longest = random.Next(1, 300);
            int[] widths = [.. Enumerable.Range(0, n).Select(_ => random.Next(1, longest + 1))], rows = [.. Enumerable.Range(0, n).Select(_ => random.Next(1, 4))];
            IReadOnlyList<int[]> batches = LengthBatches.Divide(widths, rows, most, GptDevice.Cpu);
            CollectionAssert.AreEqual(Enumerable.Range(0, n).ToArray(), batches.SelectMany(static batch => batch).Order().ToArray());
            Assert.IsTrue(batches.All(batch => batch.Length == 1 || Cost(widths, rows, batch) - 16 <= most));

            // least[i]: the cost of the items from i on, with the best of all first batches.
            int[] sorted = [.. Enumerable.Range(0, n).OrderByDescending(i => widths[i])];
            long[] least = new long[n + 1];
            for (int i = n - 1; i >= 0; i--)
            {
                least[i] = long.MaxValue;
                for (int end = i + 1; end <= n; end++)
                {
                    long tokens = (long)widths[sorted[i]] * sorted[i..end].Sum(item => rows[item]);
                    if (end == i + 1 || tokens <= most) least[i] = Math.Min(least[i], tokens + 16 + least[end]);
                }
            }

            Assert.AreEqual(least[0], batches.Sum(batch => Cost(widths, rows, batch)));
        }
    }

    [TestMethod, Timeout(120_000)]
    public void A_million_items_are_divided_at_once_however_many_fit_a_batch()
    {
        // Trying every end of every batch would take 5 · 10^11 steps: an hour.
        int[] ones = [.. Enumerable.Repeat(1, 1_000_000)];
        Assert.HasCount(1, LengthBatches.Divide(ones, ones, int.MaxValue, GptDevice.Cpu));

        int[] widths = [.. Enumerable.Range(0, 1_000_000).Select(static i => 1 + (i % 1_000))];
        Assert.AreEqual(1_000_000, LengthBatches.Divide(widths, ones, int.MaxValue, GptDevice.Cpu).Sum(static batch => batch.Length));
    }

    private static long Cost(int[] widths, int[] rows, IReadOnlyCollection<int> batch) => 16 + ((long)batch.Max(i => widths[i]) * batch.Sum(i => rows[i]));

    private static void Equal(int[][] expected, IReadOnlyList<int[]> found) =>
        Assert.AreEqual(string.Join(" | ", expected.Select(static batch => string.Join(' ', batch))), string.Join(" | ", found.Select(static batch => string.Join(' ', batch))));
}
