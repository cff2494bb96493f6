namespace MLNet.Gpt.Core.Tests.Generation;

[TestClass]
public sealed class BeamSearchTests
{
    private const int End = 0;

    [TestMethod]
    public void Every_beam_has_penalties_of_its_own()
    {
        // All 3 + 9 + 27 + 27 ways to write up to three tokens of 1, 2 and 3, each with its own penalties, against a beam for each of them.
        var random = new Random(4);
        for (int trial = 0; trial < 6; trial++)
        {
            float[][] table = [.. Enumerable.Range(0, 4).Select(_ => Enumerable.Range(0, 4).Select(_ => (float)((random.NextDouble() * 4) - 2)).ToArray())];
            var options = new GenerationOptions
            {
                Temperature = 0, MaxNewTokens = 3, BeamCount = 40, SamplesPerPrompt = 4, LengthPenalty = 0,
                RepetitionPenalty = trial % 2 == 0 ? 1.6f : 1, FrequencyPenalty = trial % 3 == 0 ? 0.7f : 0, PresencePenalty = trial == 5 ? 0.4f : 0, NoRepeatNgramSize = trial == 4 ? 2 : 0,
            };
            var all = new List<(string Tokens, double Score)>();
            Follow([1], 0);
            (string Tokens, double Score)[] best = [.. all.OrderByDescending(static item => item.Score).Take(4)];
            IReadOnlyList<GeneratedSequence> found = TokenGenerator.Generate(HistoryModel.Bigram(16, table), [[1]], options, End);
            for (int i = 0; i < best.Length; i++)
            {
                Assert.AreEqual(best[i].Tokens, string.Join(' ', found[i].TokenIds), $"trial {trial}");
                Assert.AreEqual(best[i].Score, found[i].Score!.Value, 1e-5);
            }

            void Follow(int[] history, double sum)
            {
                double[] logits = [.. table[history[^1]].Select(static logit => (double)logit)];
                foreach (IGrouping<int, int> token in history[1..].GroupBy(static id => id)) logits[token.Key] -= options.PresencePenalty + (options.FrequencyPenalty * token.Count());
                for (int i = 0; i + 1 < history.Length && options.NoRepeatNgramSize == 2; i++)
                {
                    if (history[i] == history[^1]) logits[history[i + 1]] = double.NegativeInfinity;
                }

                foreach (int id in history.Distinct()) logits[id] = logits[id] > 0 ? logits[id] / options.RepetitionPenalty : logits[id] * options.RepetitionPenalty;
                double total = Math.Log(logits.Sum(Math.Exp));
                all.Add((string.Join(' ', history[1..]), sum + logits[End] - total));
                for (int next = 1; next < 4; next++)
                {
                    if (double.IsNegativeInfinity(logits[next])) continue;
                    int[] longer = [.. history, next];
                    double score = sum + logits[next] - total;
                    if (longer.Length == 4) all.Add((string.Join(' ', longer[1..]), score));
                    else Follow(longer, score);
                }
            }
        }
    }

    [TestMethod]
    public void The_prompt_is_computed_once_and_then_as_many_rows_as_there_are_beams()
    {
        HistoryModel model = HistoryModel.Bigram(16, [0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]);
        TokenGenerator.Generate(model, [[1, 2], [3]], new() { Temperature = 0, BeamCount = 3, MaxNewTokens = 3, StopAtEndOfText = false }, End);
        CollectionAssert.AreEqual(new[] { 1, 3, 3, 1, 3, 3 }, model.RowsOfCalls);
        Assert.AreEqual(0, model.OpenDecoders);
    }

    [TestMethod]
    public void A_sequence_that_ends_counts_only_where_it_is_among_the_best()
    {
        // Two beams. 1 has 0.6 and 2 has 0.4. Then 1-end has 0.312, 1-1 0.288, 2-end 0.24 and 2-2 0.16: 2-end is third, so it does not count, and 2-2 goes on in the second
        // place. At last 1-1-end has 0.15, which is the second best result.
        HistoryModel model = HistoryModel.Bigram(16, HistoryModel.Log(1e-9, 0.6, 0.4), HistoryModel.Log(0.52, 0.48, 1e-9), HistoryModel.Log(0.6, 1e-9, 0.4));
        IReadOnlyList<GeneratedSequence> found = TokenGenerator.Generate(model, [[0]], new() { Temperature = 0, BeamCount = 2, SamplesPerPrompt = 2, MaxNewTokens = 3, LengthPenalty = 0 }, End);
        CollectionAssert.AreEqual(new[] { 1 }, found[0].TokenIds.ToArray());
        CollectionAssert.AreEqual(new[] { 1, 1 }, found[1].TokenIds.ToArray());
        Assert.AreEqual((FinishReason.StopToken, End), (found[1].FinishReason, found[1].StopTokenId!.Value));
    }

    [TestMethod]
    public void The_search_ends_where_no_beam_can_do_better()
    {
        // After the first token the end has nearly all of the probability: two sequences end at the second step, and the others, at a millionth, are not followed through all of 50 tokens.
        float[] first = HistoryModel.Log(1e-9, 0.6, 0.4), then = HistoryModel.Log(0.999, 0.0005, 0.0005);
        foreach (float lengthPenalty in new[] { 0f, -1f })
        {
            HistoryModel model = HistoryModel.Bigram(64, first, then, then);
            IReadOnlyList<GeneratedSequence> found = TokenGenerator.Generate(model, [[0]], new() { Temperature = 0, BeamCount = 2, SamplesPerPrompt = 2, MaxNewTokens = 50, LengthPenalty = lengthPenalty }, End);
            CollectionAssert.AreEqual(new[] { 1 }, found[0].TokenIds.ToArray());
            CollectionAssert.AreEqual(new[] { 2 }, found[1].TokenIds.ToArray());
            Assert.HasCount(2, model.RowsOfCalls);
        }

        // Where longer ones are favoured the bound is that of the longest. α = 3, five tokens, and after the second of them nothing but 1 comes: 1-end and 2-end have log 0.594 / 2³ = -0.065
        // and log 0.396 / 2³ = -0.116. A third token would give 1-1 log 0.006 / 3³ = -0.19, which is worse, but five give log 0.006 / 5³ = -0.041.
        var longer = new HistoryModel(3, 64, history => history.Count switch { 1 => first, 2 => HistoryModel.Log(0.99, 0.01, 1e-9), _ => HistoryModel.Log(1e-9, 1, 1e-9) });
        GeneratedSequence best = TokenGenerator.Generate(longer, [[0]], new() { Temperature = 0, BeamCount = 2, MaxNewTokens = 5, LengthPenalty = 3 }, End)[0];
        CollectionAssert.AreEqual(new[] { 1, 1, 1, 1, 1 }, best.TokenIds.ToArray());
        Assert.AreEqual(Math.Log(0.006) / 125, best.Score!.Value, 1e-5);
    }

    [TestMethod]
    public void The_search_goes_on_while_its_best_beam_can_take_the_last_of_the_places()
    {
        // Two beams. 2-end has 0.36, then 1-1-end has 0.189, and 1-1-1 with 0.231 is better than that, if not than the best; the other beam, 2-1, has no more than 0.04.
        HistoryModel model = Known(("0", [1e-9, 0.6, 0.4]), ("0 1", [0.3, 0.7, 1e-9]), ("0 2", [0.9, 0.1, 1e-9]), ("0 1 1", [0.45, 0.55, 1e-9]), ("0 2 1", [0.5, 0.5, 1e-9]));
        Assert.AreEqual("2; 1 1 1", Search(model, new() { LengthPenalty = 0, MaxNewTokens = 9 }));
    }

    [TestMethod]
    public void Of_long_sequences_the_bound_is_a_sequence_of_all_tokens_that_there_is_room_for()
    {
        // α = 1. 1-end and 2-end have log 0.36 / 2 = -0.51. What goes on has log 0.24 = -1.43, which over two tokens is -0.71 and over three, the most, -0.48.
        HistoryModel model = Known(("0", [1e-9, 0.6, 0.4]), ("0 1", [0.6, 0.4, 1e-9]), ("0 2", [0.9, 0.1, 1e-9]), ("0 1 1", [1e-9, 1, 1e-9]));
        StringAssert.StartsWith(Search(model, new() { LengthPenalty = 1, MaxNewTokens = 3 }), "1 1 1; ");

        // The same where it is the context that leaves room for four tokens: log 0.0003 / 4 = -2.0 is worse than -0.46 and -0.26, as it would not be over 50.
        float[] then = HistoryModel.Log(0.999, 0.0005, 0.0005);
        model = HistoryModel.Bigram(4, HistoryModel.Log(1e-9, 0.6, 0.4), then, then);
        Assert.AreEqual("1; 2", Search(model, new() { LengthPenalty = 1, MaxNewTokens = 50 }));
        Assert.HasCount(2, model.RowsOfCalls);
    }

    [TestMethod]
    [DataRow(0.27, 0.15, "2; 1 1 1", 4)]
    [DataRow(0.25, 0.17, "2; 1 1", 3)]
    public void Of_short_sequences_the_bound_is_one_that_ends_with_the_next_token(double goesOn, double ends, string expected, int calls)
    {
        // α = -1: the logarithm times the length. 1-1-end has 3 · log 0.15 = -5.7, and 1-1-1 can have 4 · log 0.27 = -5.2; or -5.3, and no more than 4 · log 0.25 = -5.5.
        HistoryModel model = Known(
            ("0", [1e-9, 0.6, 0.4]), ("0 1", [0.3, 0.7, 1e-9]), ("0 2", [0.9, 0.1, 1e-9]), ("0 1 1", [ends / 0.42, goesOn / 0.42, 1e-9]), ("0 2 1", [0.5, 0.5, 1e-9]));
        Assert.AreEqual(expected, Search(model, new() { LengthPenalty = -1, MaxNewTokens = 9 }));
        Assert.HasCount(calls, model.RowsOfCalls);
    }

    [TestMethod]
    public void The_search_ends_where_the_best_beam_is_no_better_than_the_last_place()
    {
        // All four tokens are alike. The end has 1/4; then 1-end has 1/16, as the beams 1-1 and 1-2 have.
        HistoryModel model = HistoryModel.Bigram(16, new float[4], new float[4], new float[4], new float[4]);
        Assert.AreEqual("; 1", Search(model, new() { LengthPenalty = 0, MaxNewTokens = 9 }));
        Assert.HasCount(2, model.RowsOfCalls);

        // Three sequences have ended where two are asked for: 0.4, and then 0.2997 twice.
        float[] then = HistoryModel.Log(0.999, 0.0005, 0.0005);
        model = HistoryModel.Bigram(64, HistoryModel.Log(0.4, 0.3, 0.3), then, then);
        Assert.AreEqual("; 1", Search(model, new() { LengthPenalty = 0, MaxNewTokens = 50 }));
        Assert.HasCount(2, model.RowsOfCalls);
    }

    [TestMethod]
    public void Of_equal_ones_the_first_beam_goes_first_and_then_the_lowest_token()
    {
        // 1, 2 and 3 are alike, and the end never comes: 1 and 2 stay; then of all six 1-1 and 1-2.
        float[] row = HistoryModel.Log(1e-9, 0.3, 0.3, 0.3);
        Assert.AreEqual("1; 2", Search(HistoryModel.Bigram(16, row, row, row, row), new() { MaxNewTokens = 1 }));
        Assert.AreEqual("1 1; 1 2", Search(HistoryModel.Bigram(16, row, row, row, row), new() { MaxNewTokens = 2 }));

        // 1-end and 2-end are alike.
        float[] end = HistoryModel.Log(1, 1e-9, 1e-9);
        Assert.AreEqual("1; 2", Search(HistoryModel.Bigram(16, HistoryModel.Log(1e-9, 0.5, 0.5), end, end), new() { MaxNewTokens = 9 }));
    }

    [TestMethod]
    public void Several_ends_of_every_beam_leave_as_many_beams_as_there_were()
    {
        // Two ends, 0 and 3, of 0.495 each: 0.297 and 0.198 twice; what goes on has 0.006 and 0.004. α = 3, five tokens: log 0.006 / 5³ = -0.04 is better than log 0.297 / 2³ = -0.15.
        var model = new HistoryModel(4, 64, static history => history.Count switch
        {
            1 => HistoryModel.Log(1e-9, 0.6, 0.4, 1e-9),
            2 => HistoryModel.Log(0.495, 0.01, 1e-9, 0.495),
            _ => HistoryModel.Log(1e-9, 1, 1e-9, 1e-9),
        });
        Assert.AreEqual("1 1 1 1 1; 2 1 1 1 1", Search(model, new() { MaxNewTokens = 5, LengthPenalty = 3, StopTokenIds = [3] }));
        CollectionAssert.AreEqual(new[] { 1, 2, 2, 2, 2 }, model.RowsOfCalls);
    }

    [TestMethod]
    public void Tokens_that_the_tokenizer_lacks_are_no_candidates_of_any_beam()
    {
        // The model has a fourth one, the likeliest. 1-2 has 0.54, 2-1 0.36.
        HistoryModel model = HistoryModel.Bigram(16, HistoryModel.Log(1e-9, 0.6, 0.4, 9), HistoryModel.Log(1e-9, 0.1, 0.9, 9), HistoryModel.Log(1e-9, 0.9, 0.1, 9), new float[4]);
        IReadOnlyList<GeneratedSequence> found = TokenGenerator.Generate(model, [[0]], new() { Temperature = 0, BeamCount = 2, SamplesPerPrompt = 2, MaxNewTokens = 2, LengthPenalty = 0 }, End, tokenCount: 3);
        Assert.AreEqual("1 2; 2 1", Texts(found));
        Assert.AreEqual(Math.Log(0.54), found[0].Score!.Value, 1e-5);
        Assert.AreEqual(Math.Log(0.36), found[1].Score!.Value, 1e-5);
    }

    [TestMethod]
    public void Every_beam_goes_on_behind_its_own_tokens_and_is_told_what_the_model_thought_of_them()
    {
        // The logits depend on all tokens so far. All ways to write up to three tokens of 1, 2 and 3, against a beam for each of them.
        var model = new HistoryModel(4, 16, static history => Logits(history));
        var all = new List<(string Tokens, double Score)>();
        Follow([1], 0);
        List<GeneratedToken> reported = [];
        IReadOnlyList<GeneratedSequence> found = TokenGenerator.Generate(
            model, [[1]], new() { Temperature = 0, MaxNewTokens = 3, BeamCount = 40, SamplesPerPrompt = 5, LengthPenalty = 0, TopLogProbabilities = 1 }, End, onToken: reported.Add);
        CollectionAssert.AreEqual(all.OrderByDescending(static item => item.Score).Take(5).Select(static item => item.Tokens).ToArray(), Texts(found).Split("; "));
        CollectionAssert.AreEqual(found.SelectMany(static sequence => sequence.LogProbabilities!).ToArray(), reported.Select(static token => token.LogProbability).ToArray());
        foreach (GeneratedSequence sequence in found)
        {
            Assert.HasCount(sequence.TokenIds.Count, sequence.LogProbabilities!);
            for (int i = 0; i < sequence.TokenIds.Count; i++)
            {
                double[] logs = LogProbabilities([1, .. sequence.TokenIds.Take(i)]);
                TokenLogProbability told = sequence.LogProbabilities![i];
                Assert.AreEqual((sequence.TokenIds[i], Array.IndexOf(logs, logs.Max())), (told.TokenId, told.Alternatives.Single().Key));
                Assert.AreEqual(logs[told.TokenId], told.LogProbability, 1e-5);
            }
        }

        void Follow(int[] history, double sum)
        {
            double[] logs = LogProbabilities(history);
            all.Add((string.Join(' ', history[1..]), sum + logs[End]));
            for (int next = 1; next < 4; next++)
            {
                if (history.Length == 3) all.Add((string.Join(' ', [.. history[1..], next]), sum + logs[next]));
                else Follow([.. history, next], sum + logs[next]);
            }
        }

        static float[] Logits(IReadOnlyList<int> history)
        {
            var random = new Random(history.Aggregate(5, static (hash, id) => (hash * 31) + id));
            return [.. Enumerable.Range(0, 4).Select(_ => (float)(random.NextDouble() * 3))];
        }

        static double[] LogProbabilities(IReadOnlyList<int> history)
        {
            float[] logits = Logits(history);
            double total = Math.Log(logits.Sum(static logit => Math.Exp(logit)));
            return [.. logits.Select(logit => logit - total)];
        }
    }

    [TestMethod]
    public void As_many_results_are_given_as_are_asked_for()
    {
        float[] row = HistoryModel.Log(0.1, 0.2, 0.3, 0.4);
        foreach (int samples in new[] { 1, 2, 3 })
            Assert.HasCount(samples, TokenGenerator.Generate(HistoryModel.Bigram(16, row, row, row, row), [[1]], new() { Temperature = 0, BeamCount = 3, SamplesPerPrompt = samples, MaxNewTokens = 2 }, End));
    }

    [TestMethod]
    public void The_tokens_of_each_result_are_reported_when_the_search_has_ended_and_the_last_one_settles_the_text()
    {
        HistoryModel model = HistoryModel.Bigram(16, [0, 3, 2, 1], [0, 3, 2, 1], [0, 3, 2, 1], [0, 3, 2, 1]);
        byte[][] texts = ["<end>"u8.ToArray(), "ab"u8.ToArray(), "c"u8.ToArray(), "def"u8.ToArray()];
        List<GeneratedToken> reported = [];
        var options = new GenerationOptions { Temperature = 0, BeamCount = 2, SamplesPerPrompt = 2, MaxNewTokens = 2, StopAtEndOfText = false };
        IReadOnlyList<GeneratedSequence> found = TokenGenerator.Generate(model, [[1], [2]], options, End, id => texts[id], onToken: reported.Add);
        GeneratedToken[] expected =
        [
            .. found.SelectMany(sequence => sequence.TokenIds.Select((token, i) =>
                new GeneratedToken(sequence.PromptIndex, sequence.SampleIndex, i, token, i == sequence.TokenIds.Count - 1 ? sequence.TextByteCount!.Value : 0))),
        ];
        CollectionAssert.AreEqual(expected, reported);
        CollectionAssert.AreEqual(new[] { (0, 0), (0, 1), (1, 0), (1, 1) }, found.Select(static sequence => (sequence.PromptIndex, sequence.SampleIndex)).ToArray());
        Assert.AreEqual(4, found[0].TextByteCount); // "ab" "ab"

        // Without text no bytes are settled.
        reported.Clear();
        TokenGenerator.Generate(model, [[1]], options, End, onToken: reported.Add);
        Assert.HasCount(4, reported);
        Assert.IsTrue(reported.All(static token => token.SettledByteCount == 0));
    }

    [TestMethod]
    public void A_token_that_a_filter_ruled_out_is_no_candidate()
    {
        // Only 1 is possible, then only the end: one sequence, however many beams there are.
        IReadOnlyList<GeneratedSequence> found = TokenGenerator.Generate(
            HistoryModel.Bigram(8, [0, 1, 2], [0, 1, 2], [0, 1, 2]), [[1]], new() { Temperature = 0, BeamCount = 3, SamplesPerPrompt = 3, MaxNewTokens = 4 }, End, constraint: new OneThenTheEnd());
        Assert.HasCount(1, found);
        CollectionAssert.AreEqual(new[] { 1 }, found[0].TokenIds.ToArray());
    }

    [TestMethod]
    public void A_beam_that_nothing_may_follow_leaves_the_others()
    {
        // 1 has 0.6 and 2 has 0.4. Behind 1 the constraint asks for another 1, and no token may come twice; behind 2 it asks for the end.
        HistoryModel model = HistoryModel.Bigram(16, HistoryModel.Log(1e-9, 0.6, 0.4), new float[3], new float[3]);
        var options = new GenerationOptions { Temperature = 0, BeamCount = 2, SamplesPerPrompt = 2, MaxNewTokens = 4, LengthPenalty = 0, NoRepeatNgramSize = 1 };
        IReadOnlyList<GeneratedSequence> found = TokenGenerator.Generate(model, [[0]], options, End, constraint: new Next([[1, 2], [1], [End]]));
        Assert.AreEqual("2", Texts(found));
        Assert.AreEqual(Math.Log(0.4), found[0].Score!.Value, 1e-5);

        // Where nothing may follow any, it is the best that is told of.
        var error = Assert.ThrowsExactly<TokenConstraintException>(() => TokenGenerator.Generate(model, [[0]], options, End, constraint: new Next([[1, 2], [1], [2]])));
        CollectionAssert.AreEqual(new[] { 1 }, error.NewTokenIds.ToArray());

        // What has ended counts, though nothing goes on: the end has 0.5.
        model = HistoryModel.Bigram(16, HistoryModel.Log(0.5, 0.5, 1e-9), new float[3], new float[3]);
        Assert.IsEmpty(TokenGenerator.Generate(model, [[0]], options, End, constraint: new Next([[End, 1], [1], [2]])).Single().TokenIds);
    }

    /// <summary>A model of three tokens that has these probabilities behind these tokens; behind all others the end is sure.</summary>
    private static HistoryModel Known(params (string History, double[] Probabilities)[] table)
    {
        Dictionary<string, float[]> rows = table.ToDictionary(static row => row.History, static row => HistoryModel.Log(row.Probabilities));
        float[] sure = HistoryModel.Log(1, 1e-9, 1e-9);
        return new HistoryModel(3, 64, history => rows.GetValueOrDefault(string.Join(' ', history), sure));
    }

    /// <summary>The two results of two beams behind the token 0, each as its tokens.</summary>
    private static string Search(HistoryModel model, GenerationOptions options) =>
        Texts(TokenGenerator.Generate(model, [[0]], options with { Temperature = 0, BeamCount = 2, SamplesPerPrompt = 2 }, End));

    private static string Texts(IReadOnlyList<GeneratedSequence> sequences) => string.Join("; ", sequences.Select(static sequence => string.Join(' ', sequence.TokenIds)));

    /// <summary>The tokens that may come first, and those that may come behind each token.</summary>
    private sealed class Next(int[][] allowed) : ITokenConstraint, IForkableTokenMask
    {
        public ITokenMask Begin(IReadOnlyList<int> promptTokenIds, IReadOnlyList<int> stopTokenIds) => this;

        public IForkableTokenMask Fork() => this;

        public void Apply(ReadOnlySpan<int> newTokenIds, Span<float> logits)
        {
            for (int id = 0; id < logits.Length; id++)
            {
                if (!allowed[newTokenIds.IsEmpty ? 0 : newTokenIds[^1]].Contains(id)) logits[id] = float.NegativeInfinity;
            }
        }
    }

    /// <summary>Token 1 first, and then the end.</summary>
    private sealed class OneThenTheEnd : ITokenConstraint, IForkableTokenMask
    {
        public ITokenMask Begin(IReadOnlyList<int> promptTokenIds, IReadOnlyList<int> stopTokenIds) => this;

        public IForkableTokenMask Fork() => this;

        public void Apply(ReadOnlySpan<int> newTokenIds, Span<float> logits)
        {
            for (int id = 0; id < logits.Length; id++)
            {
                if (id != (newTokenIds.IsEmpty ? 1 : End)) logits[id] = float.NegativeInfinity;
            }
        }
    }
}
