namespace MLNet.Gpt.Core.Tests.Generation;

[TestClass]
public sealed class LogitsProcessingTests
{
    private const float Never = float.NegativeInfinity;

    [TestMethod]
    public void A_weight_of_exactly_the_share_stays()
    {
        float[] weights = [1, 0.5f, 0.25f, 0.5f];
        LogitsProcessing.KeepMinP(weights, 0.5f);
        CollectionAssert.AreEqual(new[] { 1, 0.5f, 0, 0.5f }, weights);
    }

    [TestMethod]
    public void Of_equal_weights_no_more_stay_than_make_up_the_share_exactly()
    {
        float[] weights = [1, 1, 1, 1];
        LogitsProcessing.KeepTopP(weights, 0.5f, new float[4]);
        CollectionAssert.AreEqual(new[] { 1f, 1, 0, 0 }, weights);
        LogitsProcessing.KeepTypical(weights = [1, 1, 1, 1], 0.5f, new float[4], new float[4]);
        CollectionAssert.AreEqual(new[] { 1f, 1, 0, 0 }, weights);

        // With larger and smaller ones about: 0.5 of 4.45 takes three ones, 0.6 of 5.45 the two and two ones.
        LogitsProcessing.KeepTopP(weights = [1, 1, 1, 1, 0.45f], 0.5f, new float[5]);
        CollectionAssert.AreEqual(new[] { 1f, 1, 1, 0, 0 }, weights);
        LogitsProcessing.KeepTopP(weights = [2, 1, 1, 1, 0.45f], 0.6f, new float[5]);
        CollectionAssert.AreEqual(new[] { 2f, 1, 1, 0, 0 }, weights);

        // The smallest share still leaves one.
        LogitsProcessing.KeepTopP(weights = [1, 1], 1e-7f, new float[2]);
        CollectionAssert.AreEqual(new[] { 1f, 0 }, weights);
    }

    [TestMethod]
    [DataRow(float.NaN)]
    [DataRow(float.PositiveInfinity)]
    [DataRow(float.NegativeInfinity)]
    public void A_sum_of_what_is_no_number_is_an_error(float bad) =>
        Assert.ThrowsExactly<NonFiniteLogitsException>(() => LogitsProcessing.LogSumExp([bad, bad], new float[2]));

    // Every option's value is allowed: what float32 can't hold is its largest number, not a model that is broken. Of one that is broken it stays as it is, and so do tokens that are ruled out.
    [TestMethod]
    public void What_an_option_makes_too_large_is_the_largest_number()
    {
        float[] logits = [2, -2, 0, Never, float.NaN, float.PositiveInfinity];
        LogitsProcessing.Penalize(logits, [0, 1, 2, 3, 4, 5], 1e-40f);
        CollectionAssert.AreEqual(new[] { float.MaxValue, -2 * 1e-40f, 0, Never, float.NaN, float.PositiveInfinity }, logits);
        logits = [1e30f, 1, Never];
        LogitsProcessing.AddBias(logits, new Dictionary<int, float> { [0] = float.MaxValue, [1] = -float.MaxValue, [2] = float.MaxValue });
        CollectionAssert.AreEqual(new[] { float.MaxValue, -float.MaxValue, Never }, logits);
        logits = [1, 1, Never];
        LogitsProcessing.PenalizeCounts(logits, new() { [0] = 2, [1] = 1, [2] = 1 }, -float.MaxValue, -float.MaxValue);
        CollectionAssert.AreEqual(new[] { float.MaxValue, float.MaxValue, Never }, logits);
    }

    [TestMethod]
    public void The_tokens_that_would_repeat_a_run_are_ruled_out_and_no_others()
    {
        // Runs of 3: the last two are 1 2, which stood before 3 and before 0; token 9 is beyond the logits, and 4 may always come.
        float[] logits = [0, 0, 0, 0, 0];
        LogitsProcessing.BanRepeatedNgrams(logits, [1, 2, 3, 1, 2, 0, 1, 2, 9, 1, 2, 4, 2, 1, 1, 2], 3, [4]);
        CollectionAssert.AreEqual(new[] { Never, 0, 0, Never, 0 }, logits);

        // A history of just one run: 1 after 1 is ruled out. A shorter one rules out nothing.
        LogitsProcessing.BanRepeatedNgrams(logits = [0, 0], [1, 1], 2, []);
        CollectionAssert.AreEqual(new[] { 0, Never }, logits);
        LogitsProcessing.BanRepeatedNgrams(logits = [0, 0], [1], 1, []);
        CollectionAssert.AreEqual(new[] { 0, Never }, logits);
        LogitsProcessing.BanRepeatedNgrams(logits = [0, 0], [1], 3, []);
        CollectionAssert.AreEqual(new[] { 0f, 0 }, logits);

        // The first id that has no logit.
        LogitsProcessing.BanRepeatedNgrams(logits = [0, 0], [2, 1], 1, []);
        CollectionAssert.AreEqual(new[] { 0, Never }, logits);
    }

    [TestMethod]
    public void The_largest_are_those_of_a_stable_sort()
    {
        var random = new Random(3);
        for (int trial = 0; trial < 200; trial++)
        {
            float[] logits = [.. Enumerable.Range(0, random.Next(1, 30)).Select(_ => (float)random.Next(6))];
            int k = random.Next(0, logits.Length + 3);
            KeyValuePair<int, float>[] expected = [.. logits.Select((value, id) => KeyValuePair.Create(id, value)).OrderByDescending(static pair => pair.Value).Take(k)];
            CollectionAssert.AreEqual(expected, LogitsProcessing.Largest(logits, k).ToArray());
        }
    }

    [TestMethod]
    public void Typical_weights_are_those_of_a_stable_sort_by_the_distance_from_the_entropy()
    {
        var random = new Random(5);
        for (int trial = 0; trial < 300; trial++)
        {
            // Powers of two, whose sums are exact and whose ties are many; some weights are 0.
            float[] weights = [1, .. Enumerable.Range(0, random.Next(1, 40)).Select(_ => random.Next(5) == 0 ? 0 : MathF.Pow(2, -random.Next(6)))];
            float p = 0.05f + (0.9f * random.NextSingle());
            double total = weights.Sum(static w => (double)w), entropy = weights.Where(static w => w > 0).Sum(w => -w / total * Math.Log(w / total));
            int[] order = [.. Enumerable.Range(0, weights.Length).Where(i => weights[i] > 0).OrderBy(i => (float)Math.Abs(-Math.Log(weights[i] / total) - entropy)).ThenBy(static i => i)];
            var expected = new float[weights.Length];
            double mass = 0;
            foreach (int i in order)
            {
                if (mass >= p * total) break;
                expected[i] = weights[i];
                mass += weights[i];
            }

            float[] found = [.. weights];
            LogitsProcessing.KeepTypical(found, p, new float[found.Length], new float[found.Length]);
            CollectionAssert.AreEqual(expected, found, $"trial {trial}");
        }
    }

    [TestMethod]
    [DataRow(0, 1)]        // the first weight is 0 and covers nothing
    [DataRow(0.75, 1)]
    [DataRow(1, 3)]        // the end of one is the beginning of the next
    [DataRow(2.5, 3)]
    [DataRow(3, 1_500)]    // in the second block of 1,024
    [DataRow(6.5, 1_500)]
    [DataRow(7, 2_046)]
    [DataRow(7.25, 2_046)]
    [DataRow(7.5, 2_046)]  // behind all of them: the last that is possible
    [DataRow(100, 2_046)]
    public void A_place_belongs_to_the_weight_that_covers_it(double place, int index)
    {
        var weights = new float[2_048];
        (weights[1], weights[3], weights[1_500], weights[2_046]) = (1, 2, 4, 0.5f);
        Assert.AreEqual(index, LogitsProcessing.IndexAt(weights, place));
    }

    [TestMethod]
    public void A_place_that_the_blocks_vector_sum_covers_and_its_weights_do_not_is_the_blocks_last_weight()
    {
        // In float32, which counts by twos from 2^24 on, 2^24 + 1.5 is 2^24 + 2: the block's sum covers the place, and the weights one by one end before it.
        var weights = new float[3_072];
        (weights[0], weights[1_024], weights[1_500], weights[2_048]) = (1, 1 << 24, 1.5f, 1);
        Assert.AreEqual(1_500, LogitsProcessing.IndexAt(weights, 1 + (1 << 24) + 1.75));
        Assert.AreEqual(2_048, LogitsProcessing.IndexAt(weights, 1 + (1 << 24) + 2));
    }

    [TestMethod]
    public void Sums_over_many_numbers_stay_exact_to_float32()
    {
        // 3,000,000 tenths in float32 alone would be off by several thousands.
        float[] values = new float[3_000_000];
        Array.Fill(values, 0.1f);
        Assert.AreEqual(values.Length * (double)0.1f, LogitsProcessing.Sum(values), 1);
        Assert.AreEqual(0, LogitsProcessing.Sum([]));
        Assert.AreEqual(Math.Log(3_000_000) + 0.1, LogitsProcessing.LogSumExp(values, new float[values.Length]), 1e-5);
    }
}
