namespace MLNet.Gpt.Core.Tests.Scoring;

[TestClass]
public sealed class ContinuationScorerTests
{
    // p(b | a) as a table: every row sums to 1; token 3 is end-of-text.
    private static readonly double[][] Table = [[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1], [0.25, 0.25, 0.25, 0.25], [0.7, 0.1, 0.1, 0.1]];

    private static HistoryModel Model(int contextLength = 16) => HistoryModel.Bigram(contextLength, [.. Table.Select(row => HistoryModel.Log(row))]);

    private static double[][] Score(ICausalModel model, ContinuationRequest[] requests, ScoringOptions? options = null) =>
        [.. ContinuationScorer.Score(model, requests, endOfTextId: 3, options).Select(scores => scores.Select(score => Math.Exp(score.LogLikelihood)).ToArray())];

    [TestMethod]
    public void A_continuation_has_the_product_of_its_tokens_probabilities()
    {
        using HistoryModel model = Model();
        double[][] found = Score(model, [new([0, 1], [[0], [2, 2], [1, 0, 3]]), new([], [[0, 1]])]);

        // After 1: 0.4; 0.2 · 0.25; 0.3 · 0.4 · 0.4. After end-of-text: 0.7 · 0.2.
        AreClose([0.4, 0.05, 0.048], found[0]);
        AreClose([0.14], found[1]);
    }

    [TestMethod]
    public void Batches_and_chunks_do_not_change_the_scores()
    {
        var random = new Random(5);
        int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(4))];
        ContinuationRequest[] requests = [.. Enumerable.Range(0, 20).Select(i => new ContinuationRequest(Tokens(i % 7), [.. Enumerable.Range(0, (i % 4) + 1).Select(c => Tokens(1 + ((i + c) % 6)))]))];
        double[][] expected = [.. requests.Select(request => request.Continuations.Select(tokens => Product(request.Context, tokens)).ToArray())];
        foreach ((int batch, long bytes) in new[] { (1, 1L << 20), (8, 1L << 20), (100, 1L << 20), (8, 70L) })
        {
            using HistoryModel model = Model();
            double[][] found = Score(model, requests, new ScoringOptions { BatchSize = batch, MaxLogitBytes = bytes });
            for (int i = 0; i < requests.Length; i++) AreClose(expected[i], found[i]);
            Assert.AreEqual(0, model.OpenDecoders);
        }

        static double Product(int[] context, int[] tokens)
        {
            int[] all = [.. context.Length == 0 ? [3] : context, .. tokens];
            return Enumerable.Range(all.Length - tokens.Length, tokens.Length).Aggregate(1.0, (product, i) => product * Table[all[i - 1]][all[i]]);
        }
    }

    [TestMethod]
    public void A_context_is_computed_once_for_all_its_continuations()
    {
        using HistoryModel model = Model();
        Score(model, [new([0, 1, 2, 0], [[0, 1], [1, 1], [2, 1]])]);
        CollectionAssert.AreEqual(new[] { 1, 3 }, model.RowsOfCalls); // one row for the context, three for what follows
        model.RowsOfCalls.Clear();
        Score(model, [new([0, 1, 2, 0], [[0, 1], [1, 1], [2, 1]])], new ScoringOptions { BatchSize = 2 });
        CollectionAssert.AreEqual(new[] { 1, 2, 1, 1 }, model.RowsOfCalls); // no more than two at a time
    }

    // 2^31 - 57 numbers are the most of an array: 2,047 rows of 2^20. The sum of what a batch of any size would hold is beyond an int.
    [TestMethod]
    public void A_batch_has_no_more_rows_than_an_array_holds()
    {
        Assert.AreEqual(2_047, new ScoringOptions { BatchSize = int.MaxValue }.RowsFor(1 << 20));
        Assert.AreEqual(8, new ScoringOptions().RowsFor(1 << 20));
        using HistoryModel model = Model();
        int[][] continuations = [.. Enumerable.Range(0, 20).Select(static i => new[] { i % 4, i % 3, 1 })];
        double[][] expected = Score(model, [new([0, 1], continuations)]);
        AreClose(expected[0], Score(model, [new([0, 1], continuations)], new ScoringOptions { BatchSize = int.MaxValue })[0]);
    }

    [TestMethod]
    public void A_context_that_does_not_fit_loses_its_beginning_or_is_an_error()
    {
        // Context length 4: at most 5 tokens in all, since the last one is never fed. 5 + 2 = 7: the first 2 go. The model counts what it sees.
        var seen = new List<int>();
        using var model = new HistoryModel(4, 4, history =>
        {
            seen.Add(history.Count);
            return HistoryModel.Log(Table[history[^1]]);
        });
        double[][] found = Score(model, [new([0, 0, 1, 1, 1], [[0, 1], [0]])], new ScoringOptions { Overflow = PromptOverflow.KeepTail });
        AreClose([0.4 * 0.2, 0.4], found[0]);
        Assert.AreEqual(4, seen.Max());
        var exception = Assert.ThrowsExactly<PromptTooLongException>(() => Score(model, [new([0, 0, 1, 1, 1], [[0, 1]])]));
        Assert.AreEqual((7, 5), (exception.TokenCount, exception.Limit));
    }

    [TestMethod]
    public void Empty_and_overlong_continuations_are_errors()
    {
        using HistoryModel model = Model(4);
        Assert.ThrowsExactly<ArgumentException>(() => Score(model, [new([0], [[]])]));
        Assert.ThrowsExactly<ArgumentException>(() => Score(model, [new([], [[0, 0, 0, 0, 0]])]));
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => Score(model, [new([0], [[4]])]));
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => Score(model, [new([-1], [[0]])]));
    }

    [TestMethod]
    public void Windows_score_each_token_once_and_the_last_one_sees_all_that_fits()
    {
        int[] tokens = [.. Enumerable.Range(0, 10)];
        ContinuationRequest[] windows = [.. RollingWindows.Of(tokens, 4)];

        // 4 after end-of-text; 4 after the one before; 2 after the 3 before, so that 3 + 2 = 5 tokens take 4 positions.
        CollectionAssert.AreEqual(new[] { "|0 1 2 3", "3|4 5 6 7", "5 6 7|8 9" }, windows.Select(window => $"{string.Join(' ', window.Context)}|{string.Join(' ', window.Continuations[0])}").ToArray());
        Assert.IsFalse(RollingWindows.Of([], 4).Any());
    }

    [TestMethod]
    public void The_space_before_a_word_belongs_to_the_continuation()
    {
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["the cat the cat the cat"], new BytePairTrainingOptions { VocabularySize = 262 });
        foreach (string context in new[] { "the", "the ", "the  " })
        {
            (int[] head, int[] tail) = ContinuationTokens.Encode(tokenizer, context, context == "the" ? " cat" : "cat");
            CollectionAssert.AreEqual(tokenizer.Encode("the"), head);
            Assert.AreEqual(context[3..] + (context == "the" ? " cat" : "cat"), tokenizer.Decode(tail));
        }

        // " cat" is one token, and stays one where the space stands in the context.
        Assert.HasCount(1, ContinuationTokens.Encode(tokenizer, "the ", "cat").Continuation);
    }

    private static void AreClose(double[] expected, double[] found)
    {
        Assert.HasCount(expected.Length, found);
        for (int i = 0; i < found.Length; i++) Assert.AreEqual(expected[i], found[i], 4e-6 * expected[i]); // up to six float32 log-probabilities of size 1 to 3, each off by 2^-23 at most, and their logits
    }
}
