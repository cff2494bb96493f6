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
