namespace MLNet.Gpt.Core.Tests.Generation;

[TestClass]
public sealed class DecodingOptionsTests
{
    private const int End = 0;

    [TestMethod]
    public void Min_p_keeps_the_tokens_that_have_at_least_a_share_of_the_largest_probability()
    {
        // Of 1/2, 1/4, 1/8, 1/8 half of the largest is 1/4: the first two stay, as 2 : 1. A share of 0.24 is below 1/8 over 1/2.
        float[] logits = HistoryModel.Log(0.125, 0.5, 0.25, 0.125);
        AssertDistribution([0, 2 / 3.0, 1 / 3.0, 0], new() { MinP = 0.5f }, logits);
        AssertDistribution([0.125, 0.5, 0.25, 0.125], new() { MinP = 0.24f }, logits);

        // After the temperature: squared they are 16 : 4 : 1 : 1, and 1/16 is below 0.24.
        AssertDistribution([0, 0.8, 0.2, 0], new() { MinP = 0.24f, Temperature = 0.5f }, logits);
    }

    [TestMethod]
    public void Typical_sampling_keeps_the_tokens_whose_information_is_nearest_to_the_entropy()
    {
        // 1/2, 1/4, 1/8, 1/8 have 1, 2, 3, 3 bits and the entropy 1.75: the distances are 0.75, 0.25, 1.25, 1.25. The quarter comes first, then the half, then the first eighth.
        float[] logits = HistoryModel.Log(0.5, 0.25, 0.125, 0.125);
        AssertDistribution([0, 1, 0, 0], new() { TypicalP = 0.2f }, logits);
        AssertDistribution([2 / 3.0, 1 / 3.0, 0, 0], new() { TypicalP = 0.5f }, logits);
        AssertDistribution([4 / 7.0, 2 / 7.0, 1 / 7.0, 0], new() { TypicalP = 0.8f }, logits);
        AssertDistribution([0.5, 0.25, 0.125, 0.125], new() { TypicalP = 0.9f }, logits);

        // Behind top-k the entropy is that of what is left: of 2/3 and 1/3, ln 3 - 2/3 ln 2 = 0.636, the distances are 0.231 and 0.462.
        AssertDistribution([1, 0, 0, 0], new() { TypicalP = 0.5f, TopK = 2 }, logits);
    }

    [TestMethod]
    public void Penalties_by_count_look_at_the_output_alone()
    {
        // Frequency 0.4 over 3, 2.5, 2: 1 at 3, at 2.6; then 2 at 2.5 before 2.2; 1 at 2.2 before 2.1; 2 at 2.1 before 2 and 1.8; 3 at 2.
        CollectionAssert.AreEqual(new[] { 1, 1, 2, 1, 2, 3 }, Greedy(new() { FrequencyPenalty = 0.4f, MaxNewTokens = 6 }, [-9, 3, 2.5f, 2], [1, 2]));

        // Presence 0.6: 1 falls to 2.4 once, so that 2 comes; then 1 again, for ever.
        CollectionAssert.AreEqual(new[] { 1, 2, 1, 1 }, Greedy(new() { PresencePenalty = 0.6f, MaxNewTokens = 4 }, [-9, 3, 2.5f, 2], [1, 2]));
        CollectionAssert.AreEqual(new[] { 3, 3, 3 }, Greedy(new() { PresencePenalty = -2, MaxNewTokens = 3, LogitBias = new Dictionary<int, float> { [3] = 1.5f } }, [-9, 3, 2.5f, 2], [1]));
    }

    [TestMethod]
    public void No_run_of_n_tokens_comes_twice_and_the_end_may_always_come()
    {
        // Prompt 1. Pairs: 1 1, 1 2, 2 1, 1 3, 3 1; then 1, 2 and 3 have all followed a 1, and the end comes.
        CollectionAssert.AreEqual(new[] { 1, 2, 1, 3, 1 }, Greedy(new() { NoRepeatNgramSize = 2, MaxNewTokens = 9 }, [-9, 3, 2, 1], [1]));
        CollectionAssert.AreEqual(new[] { 2, 3 }, Greedy(new() { NoRepeatNgramSize = 1, MaxNewTokens = 9 }, [-9, 3, 2, 1], [End, 1]));
    }

    [TestMethod]
    public void Where_every_token_would_repeat_a_run_the_error_says_that_nothing_is_left()
    {
        var model = new HistoryModel(2, 16, static _ => [1, 0]);
        TokenConstraintException exception = Assert.ThrowsExactly<TokenConstraintException>(() => TokenGenerator.Generate(model, [[0, 1]], new() { NoRepeatNgramSize = 1, StopAtEndOfText = false }, End));
        Assert.AreEqual((0, 0), (exception.PromptIndex, exception.SampleIndex));

        // Without such a filter it is the model's own fault.
        var broken = new HistoryModel(2, 16, static _ => [float.NegativeInfinity, float.NegativeInfinity]);
        Assert.ThrowsExactly<NonFiniteLogitsException>(() => TokenGenerator.Generate(broken, [[1]], new() { StopAtEndOfText = false }, End));
    }

    [TestMethod]
    public void A_bias_is_added_before_anything_else_but_the_constraint() =>
        CollectionAssert.AreEqual(new[] { 2, 2 }, Greedy(new() { LogitBias = new Dictionary<int, float> { [2] = 1, [1] = -0.5f }, MaxNewTokens = 2 }, [-9, 3, 2, 1], [1]));

    [TestMethod]
    public void Log_probabilities_are_the_models_own_whatever_the_other_options_do()
    {
        // Every logit is 2 above the logarithm, which changes no probability.
        var model = new HistoryModel(4, 16, static _ => [.. HistoryModel.Log(0.1, 0.2, 0.3, 0.4).Select(static log => log + 2)]);
        var options = new GenerationOptions { TopLogProbabilities = 2, MaxNewTokens = 3, Temperature = 0, LogitBias = new Dictionary<int, float> { [1] = 5 } };
        foreach (GenerationOptions chosen in new[] { options, options with { BeamCount = 2 } })
        {
            List<GeneratedToken> reported = [];
            GeneratedSequence sequence = TokenGenerator.Generate(model, [[1]], chosen, End, onToken: reported.Add)[0];
            CollectionAssert.AreEqual(sequence.LogProbabilities!.ToArray(), reported.Select(static token => token.LogProbability).ToArray());
            CollectionAssert.AreEqual(new[] { 1, 1, 1 }, sequence.LogProbabilities!.Select(static item => item.TokenId).ToArray());
            foreach (TokenLogProbability item in sequence.LogProbabilities!)
            {
                Assert.AreEqual(Math.Log(0.2), item.LogProbability, 1e-6);
                CollectionAssert.AreEqual(new[] { 3, 2 }, item.Alternatives.Select(static other => other.Key).ToArray());
                Assert.AreEqual(Math.Log(0.4), item.Alternatives[0].Value, 1e-6);
                Assert.AreEqual(Math.Log(0.3), item.Alternatives[1].Value, 1e-6);
            }
        }

        Assert.IsNull(TokenGenerator.Generate(model, [[1]], options with { TopLogProbabilities = null }, End)[0].LogProbabilities);
        Assert.IsEmpty(TokenGenerator.Generate(model, [[1]], options with { TopLogProbabilities = 0 }, End)[0].LogProbabilities![0].Alternatives);
    }

    [TestMethod]
    public void Ids_behind_the_tokenizers_last_one_are_never_chosen_or_told_and_count_in_log_probabilities_as_they_do_in_scores()
    {
        // 4 tokens and two padded ids, which the model gives 0.1 and 0.3: the token 3 has 0.4 of all, not 0.4 of 0.6.
        var model = new HistoryModel(6, 16, static _ => HistoryModel.Log(0.05, 0.05, 0.1, 0.4, 0.1, 0.3));
        foreach (int beams in new[] { 1, 2 })
        {
            TokenLogProbability told = TokenGenerator.Generate(
                model, [[1]], new() { TopLogProbabilities = 100, MaxNewTokens = 1, Temperature = 0, BeamCount = beams }, endOfTextId: 0, tokenCount: 4)[0].LogProbabilities![0];
            Assert.AreEqual(3, told.TokenId);
            Assert.AreEqual(Math.Log(0.4), told.LogProbability, 1e-6);
            CollectionAssert.AreEqual(new[] { 3, 2, 0, 1 }, told.Alternatives.Select(static other => other.Key).ToArray());
            Assert.AreEqual(told.LogProbability, SequenceScorer.Score(model, [[1, 3]], endOfTextId: 0)[0].TokenLogProbabilities[^1], 1e-6);
        }
    }

    [TestMethod]
    public void Two_beams_find_what_greedy_decoding_misses()
    {
        // 1 is likelier first, 0.6 to 0.4, but it scatters: 1 end is 0.6 · 0.4 = 0.24, 2 end 0.4 · 0.9 = 0.36.
        var model = HistoryModel.Bigram(16, HistoryModel.Log(1e-9, 0.6, 0.4), HistoryModel.Log(0.4, 0.3, 0.3), HistoryModel.Log(0.9, 0.05, 0.05));
        var options = new GenerationOptions { Temperature = 0, MaxNewTokens = 5, LengthPenalty = 0 };
        CollectionAssert.AreEqual(new[] { 1 }, TokenGenerator.Generate(model, [[0]], options, End)[0].TokenIds.ToArray());
        IReadOnlyList<GeneratedSequence> beams = TokenGenerator.Generate(model, [[0]], options with { BeamCount = 2, SamplesPerPrompt = 2 }, End);
        CollectionAssert.AreEqual(new[] { 2 }, beams[0].TokenIds.ToArray());
        Assert.AreEqual(Math.Log(0.36), beams[0].Score!.Value, 1e-5);
        Assert.AreEqual(FinishReason.StopToken, beams[0].FinishReason);
        CollectionAssert.AreEqual(new[] { 1 }, beams[1].TokenIds.ToArray());
        Assert.AreEqual(Math.Log(0.24), beams[1].Score!.Value, 1e-5);
        Assert.AreEqual(1, beams[1].SampleIndex);
        Assert.AreEqual(0, model.OpenDecoders);
    }

    [TestMethod]
    [DataRow(0f)]
    [DataRow(1f)]
    [DataRow(2.5f)]
    [DataRow(-1f)]
    public void With_enough_beams_the_best_of_all_sequences_is_found(float lengthPenalty)
    {
        for (int seed = 0; seed < 8; seed++)
        {
            var random = new Random(seed);
            double[][] table = [.. Enumerable.Range(0, 4).Select(_ => Normalize([.. Enumerable.Range(0, 4).Select(_ => 0.05 + random.NextDouble())]))];
            var model = HistoryModel.Bigram(16, [.. table.Select(static row => HistoryModel.Log(row))]);
            GeneratedSequence[] found = [.. TokenGenerator.Generate(model, [[1]], new() { Temperature = 0, MaxNewTokens = 4, BeamCount = 81, SamplesPerPrompt = 3, LengthPenalty = lengthPenalty }, End)];

            // Every sequence of up to four tokens out of 1, 2, 3: ended by 0, or of four tokens.
            var all = new List<(string Tokens, double Score)>();
            Follow([], 1, 0);
            (string Tokens, double Score)[] best = [.. all.OrderByDescending(static item => item.Score).Take(3)];
            for (int i = 0; i < 3; i++)
            {
                Assert.AreEqual(best[i].Tokens, string.Join(' ', found[i].TokenIds));
                Assert.AreEqual(best[i].Score, found[i].Score!.Value, 1e-5);
            }

            void Follow(int[] tokens, int last, double sum)
            {
                if (tokens.Length == 4)
                {
                    all.Add((string.Join(' ', tokens), sum / Math.Pow(4, lengthPenalty)));
                    return;
                }

                all.Add((string.Join(' ', tokens), (sum + Math.Log(table[last][End])) / Math.Pow(tokens.Length + 1, lengthPenalty)));
                for (int next = 1; next < 4; next++) Follow([.. tokens, next], next, sum + Math.Log(table[last][next]));
            }
        }
    }

    [TestMethod]
    public void Beams_are_held_to_constraints_stop_strings_and_penalties()
    {
        GptTokenizer letters = GptTokenizer.FromCharacters(["abcd"]);
        var model = new HistoryModel(letters.VocabularySize, 16, history => [.. Enumerable.Range(0, letters.VocabularySize).Select(id => id == letters.EndOfTextId ? 0f : id == history[^1] ? 3 : id * 0.1f)]);
        GeneratedSequence Run(GenerationOptions options, TextConstraint? constraint = null) => TokenGenerator.Generate(
            model, [letters.Encode("d")], options with { Temperature = 0, BeamCount = 3 }, letters.EndOfTextId, id => letters.GetTokenBytes(id).Span, constraint: constraint?.Compile(letters))[0];

        Assert.AreEqual("abc", letters.Decode(Run(new() { MaxNewTokens = 8 }, TextConstraint.Choice("abc", "abd")).TokenIds).Replace('d', 'c'));
        GeneratedSequence stopped = Run(new() { MaxNewTokens = 8, StopStrings = ["ddd"] });
        Assert.AreEqual(FinishReason.StopString, stopped.FinishReason);
        Assert.AreEqual(0, stopped.TextByteCount);
        int[] tokens = [.. Run(new() { MaxNewTokens = 4, NoRepeatNgramSize = 1 }).TokenIds];
        Assert.HasCount(tokens.Length, tokens.Distinct().ToArray());
        Assert.ThrowsExactly<UnsupportedOptionException>(() => TokenGenerator.Generate(model, [[0]], new() { Temperature = 0, BeamCount = 2 }, letters.EndOfTextId, constraint: new NotForkable()));
    }

    [TestMethod]
    public void Values_out_of_range_are_refused()
    {
        foreach (GenerationOptions options in new GenerationOptions[]
        {
            new() { MinP = 1 }, new() { MinP = -0.1f }, new() { MinP = float.NaN }, new() { TypicalP = 0 }, new() { TypicalP = 1.1f }, new() { NoRepeatNgramSize = -1 }, new() { PresencePenalty = float.NaN },
            new() { FrequencyPenalty = float.PositiveInfinity }, new() { LogitBias = new Dictionary<int, float> { [1] = float.NegativeInfinity } }, new() { LogitBias = new Dictionary<int, float> { [-1] = 1 } },
            new() { BeamCount = 0 }, new() { BeamCount = 2 }, new() { BeamCount = 2, Temperature = 0, SamplesPerPrompt = 3 }, new() { LengthPenalty = float.NaN }, new() { TopLogProbabilities = -1 }, new() { TopLogProbabilities = 101 },
        })
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(options.Validate, options.ToString());
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => Greedy(new() { LogitBias = new Dictionary<int, float> { [4] = 1 } }, [0, 1, 2, 3], [1]));
    }

    private static double[] Normalize(double[] weights) => [.. weights.Select(weight => weight / weights.Sum())];

    private static int[] Greedy(GenerationOptions options, float[] logits, int[] prompt) =>
        [.. TokenGenerator.Generate(new HistoryModel(4, 32, _ => logits), [prompt], options with { Temperature = 0 }, End)[0].TokenIds];

    private static void AssertDistribution(double[] expected, GenerationOptions options, float[] logits)
    {
        float[] found = [.. logits];
        new TokenSampler(options, logits.Length).ToProbabilities(found, []);
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], found[i], 1e-6, $"Token {i}.");
    }

    private sealed class NotForkable : ITokenConstraint, ITokenMask
    {
        public ITokenMask Begin(IReadOnlyList<int> promptTokenIds, IReadOnlyList<int> stopTokenIds) => this;

        public void Apply(ReadOnlySpan<int> newTokenIds, Span<float> logits)
        {
        }
    }
}
