namespace MLNet.Gpt.Core.Tests.Generation;

[TestClass]
public sealed class TokenSamplerTests
{
    // Probabilities come from float32 logits through one exp and one division: a few units in the last place of 6e-8.
    private const double Tolerance = 1e-6;

    [TestMethod]
    public void Temperature_one_is_the_models_own_distribution() =>
        AssertDistribution([0.125, 0.25, 0.625], new(), HistoryModel.Log(1, 2, 5));

    [TestMethod]
    public void Temperature_divides_the_logits() =>
        // 1/0.5 = 2, so that 1 : 2 : 5 becomes 1 : 4 : 25, and 1 + 4 + 25 = 30.
        AssertDistribution([1 / 30.0, 4 / 30.0, 25 / 30.0], new() { Temperature = 0.5f }, HistoryModel.Log(1, 2, 5));

    [TestMethod]
    public void Temperature_zero_takes_the_largest_logit_and_of_equal_ones_the_first() =>
        AssertDistribution([0, 1, 0, 0], new() { Temperature = 0 }, [-1, 3, 2, 3]);

    [TestMethod]
    public void Top_k_keeps_exactly_k_and_of_equal_ones_the_first() =>
        // The second largest value stands three times; only the first of them has room beside 4.
        AssertDistribution([0, 0.2, 0, 0.8, 0], new() { TopK = 2 }, HistoryModel.Log(0.5, 1, 1, 4, 1));

    [TestMethod]
    public void Top_k_of_one_is_greedy_and_of_more_than_the_vocabulary_is_off()
    {
        AssertDistribution([0, 1, 0], new() { TopK = 1 }, [1, 2, 2]);
        AssertDistribution([0.125, 0.25, 0.625], new() { TopK = 4 }, HistoryModel.Log(1, 2, 5));
    }

    [TestMethod]
    public void Top_p_keeps_the_fewest_tokens_that_reach_it()
    {
        // These are powers of two, exact in float32: 1/2 + 1/4 = 0.75 reaches 0.75 …
        float[] logits = HistoryModel.Log(0.125, 0.5, 0.25, 0.125);
        AssertDistribution([0, 2 / 3.0, 1 / 3.0, 0], new() { TopP = 0.74f }, logits);
        // … and not 0.76, for which the first of the two eighths is needed: 1/8 : 1/2 : 1/4 = 1 : 4 : 2.
        AssertDistribution([1 / 7.0, 4 / 7.0, 2 / 7.0, 0], new() { TopP = 0.76f }, logits);
        AssertDistribution([0, 1, 0, 0], new() { TopP = 0.01f }, logits);
    }

    [TestMethod]
    public void Top_p_counts_the_probabilities_among_the_top_k() =>
        // Of 0.4, 0.3, 0.2, 0.1 top-k keeps the first two: 4/7 and 3/7. 4/7 alone reaches 0.5; before top-k, 0.4 would not have.
        AssertDistribution([1, 0, 0, 0], new() { TopK = 2, TopP = 0.5f }, HistoryModel.Log(0.4, 0.3, 0.2, 0.1));

    [TestMethod]
    public void Temperature_comes_before_top_p() =>
        // 0.4, 0.3, 0.3 squared is 16 : 9 : 9; 16/34 = 0.47 does not reach 0.6, 25/34 = 0.74 does.
        // With top-p first, 0.4 + 0.3 = 0.7 would be the same two; so ask for 0.72, where it would be three.
        AssertDistribution([16 / 25.0, 9 / 25.0, 0], new() { Temperature = 0.5f, TopP = 0.72f }, HistoryModel.Log(0.4, 0.3, 0.3));

    [TestMethod]
    public void Repetition_penalty_divides_positive_and_multiplies_negative_logits_of_seen_tokens()
    {
        // θ = 1.25: 2 → 1.6, -1 → -1.25, and 0.5, which was not seen, stays.
        double[] e = [Math.Exp(1.6), Math.Exp(-1.25), Math.Exp(0.5)];
        AssertDistribution([.. e.Select(x => x / e.Sum())], new() { RepetitionPenalty = 1.25f }, [2, -1, 0.5f], seen: [1, 0]);
        // It comes before the temperature, and greedy choice honours it: 2/1.25 = 1.6 is below 1.7.
        AssertDistribution([0, 1], new() { RepetitionPenalty = 1.25f, Temperature = 0 }, [2, 1.7f], seen: [0]);
    }

    [TestMethod]
    public void Filters_agree_with_a_full_sort_on_random_logits_with_many_ties() => AssertAsSorted(trials: 60, largestVocabulary: 40);

    [TestMethod]
    [TestCategory("Long")]
    public void Filters_agree_with_a_full_sort_on_large_vocabularies() => AssertAsSorted(trials: 300, largestVocabulary: 3_000);

    private static void AssertAsSorted(int trials, int largestVocabulary)
    {
        var random = new Random(7);
        for (int trial = 0; trial < trials; trial++)
        {
            int vocabulary = random.Next(2, largestVocabulary);
            int steps = random.Next(2, 400); // few distinct values make ties
            float[] logits = new float[vocabulary];
            for (int i = 0; i < vocabulary; i++)
                logits[i] = random.Next(steps) * 8f / steps;
            var options = new GenerationOptions
            {
                Temperature = 0.25f + random.NextSingle(),
                TopK = random.Next(3) == 0 ? 0 : random.Next(1, vocabulary + 1),
                TopP = random.Next(3) == 0 ? 1 : 0.01f + (0.98f * random.NextSingle()),
            };
            double[] expected = SortedOracle(logits, options);
            float[] found = [.. logits];
            new TokenSampler(options, vocabulary).ToProbabilities(found, []);
            int kept = expected.Count(p => p > 0), keptHere = found.Count(p => p > 0);
            // One token may lie within rounding of the boundary of top-p, where float32 and float64 may differ; never more than one.
            Assert.IsLessThanOrEqualTo(1, Math.Abs(kept - keptHere), $"trial {trial}: {keptHere} tokens kept, {kept} expected");
            if (kept != keptHere) continue;
            for (int i = 0; i < vocabulary; i++)
                Assert.AreEqual(expected[i], found[i], 1e-5 * expected[i] + 1e-9, $"trial {trial}, token {i}");
        }
    }

    [TestMethod]
    [TestCategory("Long")]
    public void Draws_follow_the_distribution()
    {
        double[] expected = [0.5, 0.25, 0.15, 0.0999, 0.0001];
        // χ² with 4 degrees of freedom exceeds 33.4 once in a million runs; the seed is fixed, so that this run never changes.
        Assert.IsLessThan(33.4, ChiSquare(expected, 200_000, HistoryModel.Log(expected), i => i));
    }

    [TestMethod]
    public void Of_two_weights_the_threefold_one_is_drawn_three_times_as_often() =>
        // χ² with 1 degree of freedom exceeds 23.9 once in a million runs.
        Assert.IsLessThan(23.9, ChiSquare([0.25, 0.75], 2_000, HistoryModel.Log(10, 30), i => i));

    [TestMethod]
    [TestCategory("Long")]
    public void Draws_follow_the_distribution_over_a_large_vocabulary()
    {
        // Weights 1, 2, 3, 4, 1, 2, … over GPT-2's vocabulary, counted in 50 bins of ids: crosses every block boundary of the cumulative search.
        const int Vocabulary = 50_257, Bins = 50;
        double[] weights = [.. Enumerable.Range(0, Vocabulary).Select(i => 1.0 + (i % 4))];
        double[] bins = new double[Bins];
        for (int i = 0; i < Vocabulary; i++)
            bins[i * Bins / Vocabulary] += weights[i] / weights.Sum();
        // χ² with 49 degrees of freedom exceeds 110.3 once in a million runs.
        Assert.IsLessThan(110.3, ChiSquare(bins, 20_000, HistoryModel.Log(weights), i => (int)((long)i * Bins / Vocabulary)));
    }

    [TestMethod]
    public void Draws_never_return_a_token_that_a_filter_removed()
    {
        float[] logits = HistoryModel.Log(0.1, 0.4, 0.1, 0.4);
        var sampler = new TokenSampler(new() { TopK = 2 }, 4);
        var random = new SampleRandom(1, 0, []);
        for (int i = 0; i < 10_000; i++)
            Assert.AreEqual(1, sampler.Sample([.. logits], [], ref random) % 2);
    }

    [TestMethod]
    public void A_sample_honours_the_repetition_penalty_and_temperature_zero_takes_no_random_number()
    {
        // 2/1.25 = 1.6 is below 1.7.
        var sampler = new TokenSampler(new() { RepetitionPenalty = 1.25f, Temperature = 0 }, 3);
        SampleRandom random = new(1, 0, []), untouched = random;
        Assert.AreEqual(1, sampler.Sample([2, 1.7f, -1], [0], ref random));
        Assert.AreEqual(0, sampler.Sample([2, 1.7f, -1], [], ref random));
        Assert.AreEqual(untouched.NextUInt64(), random.NextUInt64());

        // Where numbers are drawn the penalty makes token 0 impossible: e^-1,000,000 is 0.
        sampler = new TokenSampler(new() { RepetitionPenalty = 1e6f }, 2);
        for (int i = 0; i < 100; i++) Assert.AreEqual(1, sampler.Sample([-1, -1], [0], ref random));
    }

    [TestMethod]
    public void With_top_p_off_no_token_is_lost_however_unlikely() =>
        // In float32 1 + 1e-9 is 1, so that a share of 1 would be reached by the first token alone.
        AssertDistribution([1, 1e-9], new() { TopP = 1 }, HistoryModel.Log(1, 1e-9));

    [TestMethod]
    public void A_sampler_checks_its_options_and_what_it_is_given()
    {
        Assert.AreEqual("options", Assert.ThrowsExactly<ArgumentNullException>(() => new TokenSampler(null!, 4)).ParamName);
        Assert.AreEqual("vocabularySize", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TokenSampler(new(), 0)).ParamName);
        Assert.AreEqual("TopK", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TokenSampler(new() { TopK = -1 }, 4)).ParamName);
        ArgumentException exception = Assert.ThrowsExactly<ArgumentException>(() => new TokenSampler(new(), 4).ToProbabilities([1, 2, 3], []));
        Assert.AreEqual("logits", exception.ParamName);
        StringAssert.Contains(exception.Message, "There are 3 logits; the vocabulary has 4 tokens.");
    }

    [TestMethod]
    public void Sampling_allocates_nothing()
    {
        const int Vocabulary = 10_000;
        var sampler = new TokenSampler(new() { TopK = 500, TopP = 0.9f, RepetitionPenalty = 1.1f, Temperature = 0.7f }, Vocabulary);
        var values = new Random(3);
        float[] source = [.. Enumerable.Range(0, Vocabulary).Select(_ => values.NextSingle() * 10)], logits = new float[Vocabulary];
        int[] seen = [1, 2, 3];
        var random = new SampleRandom(1, 0, []);
        Run(3); // the runtime compiles
        long before = GC.GetAllocatedBytesForCurrentThread();
        Run(50);
        Assert.AreEqual(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Run(int times)
        {
            for (int i = 0; i < times; i++)
            {
                source.CopyTo(logits, 0);
                sampler.Sample(logits, seen, ref random);
            }
        }
    }

    [TestMethod]
    [DataRow(float.NaN)]
    [DataRow(float.PositiveInfinity)]
    public void A_logit_that_is_no_number_is_an_error_with_every_filter(float bad)
    {
        foreach (GenerationOptions options in new GenerationOptions[] { new(), new() { Temperature = 0 }, new() { TopK = 2 }, new() { TopP = 0.5f } })
        {
            var sampler = new TokenSampler(options, 4);
            Assert.ThrowsExactly<NonFiniteLogitsException>(() =>
            {
                var random = new SampleRandom(0, 0, []);
                sampler.Sample([1, 2, bad, 0], [], ref random);
            });
        }
    }

    [TestMethod]
    public void Options_out_of_range_are_errors_that_name_the_value()
    {
        foreach ((GenerationOptions options, string name) in new (GenerationOptions, string)[]
        {
            (new() { MaxNewTokens = 0 }, "MaxNewTokens"),
            (new() { MinNewTokens = 9, MaxNewTokens = 8 }, "MinNewTokens"),
            (new() { MinNewTokens = -1 }, "MinNewTokens"),
            (new() { Temperature = -0.5f }, "Temperature"),
            (new() { Temperature = float.NaN }, "Temperature"),
            (new() { Temperature = float.PositiveInfinity }, "Temperature"),
            (new() { TopK = -1 }, "TopK"),
            (new() { TopP = 0 }, "TopP"),
            (new() { TopP = 1.5f }, "TopP"),
            (new() { TopP = float.NaN }, "TopP"),
            (new() { RepetitionPenalty = 0 }, "RepetitionPenalty"),
            (new() { SamplesPerPrompt = 0 }, "SamplesPerPrompt"),
            (new() { BatchSize = 0 }, "BatchSize"),
            (new() { PromptOverflow = (PromptOverflow)7 }, "PromptOverflow"),
            (new() { StopTokenIds = [3, -2] }, "StopTokenIds[1]"),
        })
        {
            var exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(options.Validate);
            Assert.AreEqual(name, exception.ParamName);
            StringAssert.Contains(exception.Message, exception.ActualValue!.ToString());
        }

        Assert.ThrowsExactly<ArgumentException>(new GenerationOptions { StopStrings = ["a", ""] }.Validate);
        Assert.ThrowsExactly<ArgumentNullException>(new GenerationOptions { StopStrings = null! }.Validate);
    }

    [TestMethod]
    public void Logits_of_another_vocabulary_are_an_error()
    {
        var sampler = new TokenSampler(new(), 4);
        Assert.ThrowsExactly<ArgumentException>(() =>
        {
            var random = new SampleRandom(0, 0, []);
            sampler.Sample([1, 2, 3], [], ref random);
        });
    }

    private static void AssertDistribution(double[] expected, GenerationOptions options, float[] logits, int[]? seen = null)
    {
        float[] found = [.. logits];
        new TokenSampler(options, logits.Length).ToProbabilities(found, seen ?? []);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], found[i], expected[i] == 0 ? 0 : Tolerance, $"token {i} of [{string.Join(", ", found)}]");
    }

    private static double ChiSquare(double[] expected, int draws, float[] logits, Func<int, int> binOf)
    {
        var sampler = new TokenSampler(new(), logits.Length);
        var random = new SampleRandom(seed: 42, sampleIndex: 0, [1, 2, 3]);
        int[] counts = new int[expected.Length];
        float[] scratch = new float[logits.Length];
        for (int i = 0; i < draws; i++)
        {
            logits.CopyTo(scratch, 0);
            counts[binOf(sampler.Sample(scratch, [], ref random))]++;
        }

        return expected.Select((p, i) => Math.Pow(counts[i] - (p * draws), 2) / (p * draws)).Sum();
    }

    // The definition, in float64 and with a full sort.
    private static double[] SortedOracle(float[] logits, GenerationOptions options)
    {
        int[] order = [.. Enumerable.Range(0, logits.Length).OrderByDescending(i => logits[i]).ThenBy(i => i)];
        if (options.TopK > 0) order = order[..Math.Min(options.TopK, order.Length)];
        double[] weights = new double[logits.Length];
        foreach (int i in order)
            weights[i] = Math.Exp((logits[i] - logits[order[0]]) / (double)options.Temperature);
        double total = weights.Sum(), before = 0;
        foreach (int i in order)
        {
            double weight = weights[i];
            if (options.TopP < 1 && before >= options.TopP * total) weights[i] = 0;
            before += weight;
        }

        total = weights.Sum();
        return [.. weights.Select(w => w / total)];
    }
}
