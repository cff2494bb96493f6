using System.Text.Json;
using CsCheck;
using MLNet.Gpt.Core.Tests.Storage;

namespace MLNet.Gpt.Core.Tests.Data;

[TestClass]
public sealed class BatchOrderTests
{
    [TestMethod]
    [DataRow(1_000, 7)]
    [DataRow(100, 99)]
    [DataRow(101, 50)]
    [DataRow(64, 1)]
    public void Every_row_of_an_epoch_is_visited_exactly_once(int tokens, int context)
    {
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Counting(folder, tokens);
        var rows = new PackedRows(file, context);
        var order = new BatchOrder(rows, seed: 3);
        for (long epoch = 0; epoch < 20; epoch++)
        {
            long count = order.RowsInEpoch(epoch);
            var starts = new long[count];
            order.Next(starts);
            Array.Sort(starts);
            Assert.AreEqual(starts[0], starts[0] % context); // the offset, below T
            for (int i = 0; i < count; i++) Assert.AreEqual(starts[0] + (i * context), starts[i]);
            Assert.IsTrue(starts[^1] <= tokens - 1 - context);
            Assert.AreEqual(new BatchPosition(epoch, count), order.Position);
        }
    }

    [TestMethod]
    public void Epochs_differ_in_their_order_and_in_where_the_rows_are_cut()
    {
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Counting(folder, 10_000);
        var order = new BatchOrder(new PackedRows(file, 64), seed: 1);
        var epochs = new List<long[]>();
        for (long epoch = 0; epoch < 100; epoch++)
        {
            var starts = new long[order.RowsInEpoch(epoch)];
            order.Next(starts);
            epochs.Add(starts);
        }

        int[] offsets = [.. epochs.Select(static starts => (int)(starts[0] % 64))];

        // 100 draws of 64 numbers leave 64·(63/64)^100 = 13.2 of them out on average, so 51 differ; 40 would be four standard deviations below.
        Assert.IsGreaterThan(40, offsets.Distinct().Count());
        Assert.IsTrue(offsets.All(static offset => offset is >= 0 and < 64));
        Assert.AreEqual(100, epochs.Select(static starts => string.Join(' ', starts)).Distinct().Count());
        Assert.IsFalse(epochs.Any(static starts => starts.SequenceEqual(starts.Order())));
    }

    [TestMethod]
    public void The_order_depends_on_the_seed_alone()
    {
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Counting(folder, 1_000);
        var rows = new PackedRows(file, 8);
        CollectionAssert.AreEqual(Take(new(rows, 5), 500), Take(new(rows, 5), 500));
        CollectionAssert.AreNotEqual(Take(new(rows, 5), 500), Take(new(rows, 6), 500));
        CollectionAssert.AreNotEqual(Take(new(rows, -5), 500), Take(new(rows, 5), 500));
    }

    // A change of these numbers breaks the resuming of every run that was begun before it.
    [TestMethod]
    public void The_order_is_the_same_in_every_version()
    {
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Counting(folder, 41);
        CollectionAssert.AreEqual(new long[] { 24, 0, 32, 16, 8, 2, 10, 26 }, Take(new(new PackedRows(file, 8), 42), 8));
    }

    [TestMethod]
    public void Continuing_from_a_saved_position_gives_the_same_batches()
    {
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Counting(folder, 1_000);
        var rows = new PackedRows(file, 9);
        var random = new Random(2);
        for (int trial = 0; trial < 200; trial++)
        {
            long seed = random.Next();
            int before = random.Next(0, 600), batch = random.Next(1, 300); // 110 or 111 rows an epoch: batches run over its end
            var order = new BatchOrder(rows, seed);
            Take(order, before);
            string saved = JsonSerializer.Serialize(order.Position);
            var resumed = new BatchOrder(rows, seed, JsonSerializer.Deserialize<BatchPosition>(saved));
            for (int i = 0; i < 3; i++) CollectionAssert.AreEqual(Take(order, batch), Take(resumed, batch));
            Assert.AreEqual(order.Position, resumed.Position);
        }
    }

    [TestMethod]
    public void The_end_of_an_epoch_is_a_position_and_the_next_row_is_the_next_epochs_first()
    {
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Counting(folder, 100);
        var rows = new PackedRows(file, 9);
        var order = new BatchOrder(rows, 7);
        Assert.AreEqual((7L, rows), (order.Seed, order.Rows));
        long count = order.RowsInEpoch(0);
        var atEnd = new BatchOrder(rows, 7, new(0, count));
        CollectionAssert.AreEqual(Take(new(rows, 7, new(1, 0)), 5), Take(atEnd, 5));
        Assert.AreEqual(new BatchPosition(1, 5), atEnd.Position);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => order.Seek(new(0, count + 1)));
    }

    [TestMethod]
    public void The_size_of_the_batches_does_not_change_the_order()
    {
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Counting(folder, 500);
        var rows = new PackedRows(file, 7);
        BatchOrder single = new(rows, 1), large = new(rows, 1);
        long[] expected = Take(large, 300);
        for (int i = 0; i < 300; i++) Assert.AreEqual(expected[i], Take(single, 1)[0]);
    }

    [TestMethod]
    public void A_position_of_other_data_is_refused()
    {
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Counting(folder, 100);
        var rows = new PackedRows(file, 9); // 10 or 11 rows
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new BatchOrder(rows, 1, new(3, 12))).Message, "other data or another context length");
        Assert.AreEqual("position", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new BatchOrder(rows, 1, new(-1, 0))).ParamName);
        Assert.AreEqual("position", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new BatchOrder(rows, 1, new(0, -1))).ParamName);
        Assert.AreEqual("epoch", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new BatchOrder(rows, 1).RowsInEpoch(-1)).ParamName);
        Assert.AreEqual("rows", Assert.ThrowsExactly<ArgumentNullException>(() => new BatchOrder(null!, 1)).ParamName);
    }

    [TestMethod]
    public void Two_runs_over_the_whole_of_a_small_text_see_each_token_about_equally_often()
    {
        // 21 tokens, T = 8: offsets 0 to 7, 1 or 2 rows. Tokens in the middle are predicted in every epoch; those at the ends in a part of them.
        using var folder = new TemporaryFolder();
        using TokenFile file = TokenFiles.Counting(folder, 21);
        var rows = new PackedRows(file, 8);
        var order = new BatchOrder(rows, 9);
        var predicted = new int[21];
        const int Epochs = 4_000;
        long[] inputs = new long[8], targets = new long[8];
        for (long epoch = 0; epoch < Epochs; epoch++)
        {
            foreach (long start in Take(order, (int)order.RowsInEpoch(epoch)))
            {
                rows.CopyRow(start, inputs, targets);
                foreach (long target in targets) predicted[target]++;
            }
        }

        // Row k of offset o predicts the tokens o+8k+1 … o+8k+8. Token 1 needs offset 0 (1 in 8); token 8 any offset; token 20 needs o + 16 = 20, so offset 4 (1 in 8).
        Assert.AreEqual(0, predicted[0]);
        Assert.AreEqual(Epochs, predicted[8]);

        // 500 expected, standard deviation √(4000·(1/8)·(7/8)) = 21; four of them.
        Assert.AreEqual(500, predicted[1], 84);
        Assert.AreEqual(500, predicted[20], 84);
    }

    [TestMethod]
    [TestCategory("Long")]
    public void Every_epoch_is_a_permutation_and_every_point_of_it_can_be_resumed_for_any_data_and_seed()
    {
        using var folder = new TemporaryFolder();
        Gen.Select(Gen.Int[2, 120], Gen.Int[1, 40], Gen.Long, Gen.Int[1, 9]).Always(
            (tokens, context, seed, batch) =>
            {
                context = 1 + (context % (tokens - 1));
                using TokenFile file = TokenFiles.Counting(folder, tokens);
                var rows = new PackedRows(file, context);
                var order = new BatchOrder(rows, seed);
                var drawn = new List<long>();
                var positions = new List<BatchPosition>();
                int wanted = (int)Enumerable.Range(0, 3).Sum(epoch => order.RowsInEpoch(epoch));
                while (drawn.Count < wanted)
                {
                    positions.Add(order.Position);
                    drawn.AddRange(Take(order, batch));
                }

                int at = 0;
                for (int epoch = 0; epoch < 3; epoch++)
                {
                    int count = (int)order.RowsInEpoch(epoch);
                    long[] starts = [.. drawn[at..(at + count)].Order()];
                    Assert.IsLessThan(context, starts[0]);
                    for (int i = 0; i < count; i++) Assert.AreEqual(starts[0] + ((long)i * context), starts[i]);
                    Assert.IsTrue(starts[^1] + context < tokens, "the last row's target is in the file");
                    at += count;
                }

                var sought = new BatchOrder(rows, seed);
                for (int i = 0; i < positions.Count; i++)
                {
                    long[] expected = [.. drawn[(i * batch)..((i + 1) * batch)]];
                    CollectionAssert.AreEqual(expected, Take(new(rows, seed, positions[i]), batch));
                    sought.Seek(positions[positions.Count - 1 - i]);
                    CollectionAssert.AreEqual(drawn[((positions.Count - 1 - i) * batch)..((positions.Count - i) * batch)], Take(sought, batch));
                }
            },
            iter: 200);
    }

    private static long[] Take(BatchOrder order, int count)
    {
        var starts = new long[count];
        order.Next(starts);
        return starts;
    }
}
