namespace MLNet.Gpt.Core.Tests.Data;

[TestClass]
public sealed class FeistelPermutationTests
{
    [TestMethod]
    public void Every_number_appears_exactly_once()
    {
        foreach (int count in (int[])[.. Enumerable.Range(1, 300), 1_000, 1_023, 1_024, 1_025, 65_536, 100_003])
        {
            for (ulong key = 0; key < 3; key++)
            {
                var permutation = new FeistelPermutation(count, key);
                var seen = new bool[count];
                for (int i = 0; i < count; i++) seen[permutation[i]] = true;
                Assert.IsTrue(seen.All(static value => value), $"{count}, key {key}");
            }
        }
    }

    [TestMethod]
    public void The_largest_counts_stay_in_range()
    {
        foreach (long count in (long[])[(1L << 62) - 1, 1L << 62, (1L << 62) + 1, long.MaxValue])
        {
            var permutation = new FeistelPermutation(count, 5);
            foreach (long index in (long[])[0, 1, count / 2, count - 1]) Assert.IsTrue(permutation[index] >= 0 && permutation[index] < count);
        }
    }

    [TestMethod]
    public void An_index_outside_the_range_is_refused()
    {
        var permutation = new FeistelPermutation(10, 1);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => permutation[10]);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => permutation[-1]);
        Assert.AreEqual("count", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new FeistelPermutation(0, 1)).ParamName);
    }

    // Computed by a program of its own in Python. A change of these numbers breaks the resuming of every run that was begun before it.
    [TestMethod]
    [DataRow(10L, 1UL, new long[] { 7, 9, 0, 8 })]
    [DataRow(100_003L, 7UL, new long[] { 44_644, 55_908, 80_062, 47_064 })]
    [DataRow(1L << 40, 2UL, new long[] { 316_436_158_315, 248_218_834_093, 275_990_946_351, 932_397_396_785 })]
    public void The_numbers_are_the_same_in_every_version(long count, ulong key, long[] first)
    {
        var permutation = new FeistelPermutation(count, key);
        Assert.AreEqual(count, permutation.Count);
        CollectionAssert.AreEqual(first, Enumerable.Range(0, first.Length).Select(i => permutation[i]).ToArray());
    }

    // Over many keys each index goes everywhere equally often, and where one index goes says nothing of where the next one goes.
    // The statistic is χ² / degrees of freedom, 1 on average; its standard deviation is √(2 / degrees). Five of them are allowed: one run in
    // a million would fail by chance, and the keys are fixed.
    [TestMethod]
    [DataRow(3, 6_000)]
    [DataRow(10, 20_000)]
    [DataRow(97, 40_000)]
    public void Over_the_keys_the_places_and_the_pairs_of_places_are_uniform(int count, int keys)
    {
        const int Buckets = 3;
        var place = new int[count];
        var pair = new int[Buckets * Buckets];
        for (int key = 0; key < keys; key++)
        {
            var permutation = new FeistelPermutation(count, RandomBits.Mix((ulong)key));
            long first = permutation[0], second = permutation[1];
            place[first]++;
            pair[(first * Buckets / count * Buckets) + (second * Buckets / count)]++;
        }

        AssertUniform(place, [.. Enumerable.Repeat(keys / (double)count, count)]);

        // The pairs of different numbers: of a bucket of n numbers n(n-1) pairs lie in one bucket, n·m in two.
        int[] size = new int[Buckets];
        for (int i = 0; i < count; i++) size[i * Buckets / count]++;
        double[] expected = [.. Enumerable.Range(0, Buckets * Buckets).Select(i => keys * (double)size[i / Buckets] * (size[i % Buckets] - (i / Buckets == i % Buckets ? 1 : 0)) / (count * (count - 1.0)))];
        AssertUniform(pair, expected);
    }

    private static void AssertUniform(int[] observed, double[] expected)
    {
        double chiSquare = 0;
        int cells = 0;
        for (int i = 0; i < observed.Length; i++)
        {
            if (expected[i] == 0)
            {
                Assert.AreEqual(0, observed[i]);
                continue;
            }

            chiSquare += Math.Pow(observed[i] - expected[i], 2) / expected[i];
            cells++;
        }

        int degrees = cells - 1;
        Assert.IsTrue(chiSquare < degrees + (5 * Math.Sqrt(2 * degrees)), $"χ² {chiSquare} with {degrees} degrees of freedom");
    }
}
