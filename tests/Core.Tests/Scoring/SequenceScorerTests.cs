namespace MLNet.Gpt.Core.Tests.Scoring;

[TestClass]
public sealed class SequenceScorerTests
{
    private const int EndOfText = 0;

    // A log-probability is a float32 logit less a float64 log-sum-exp over float32 exponentials: errors of a few 6e-8 of numbers below 8.
    private const double Tolerance = 1e-6;

    // Row i: the distribution after token i.
    private static HistoryModel Bigram(int contextLength = 32) => HistoryModel.Bigram(
        contextLength, HistoryModel.Log(0.125, 0.5, 0.375), HistoryModel.Log(0.25, 0.25, 0.5), HistoryModel.Log(0.1, 0.8, 0.1));

    [TestMethod]
    public void Tokens_are_scored_given_those_before_them_and_the_first_given_end_of_text()
    {
        SequenceScore score = SequenceScorer.Score(Bigram(), [[1, 2, 1]], EndOfText)[0];
        // p(1 | end-of-text) = 0.5, p(2 | 1) = 0.5, p(1 | 2) = 0.8; the product is 0.2.
        Assert.HasCount(3, score.TokenLogProbabilities);
        Assert.AreEqual(Math.Log(0.5), score.TokenLogProbabilities[0], Tolerance);
        Assert.AreEqual(Math.Log(0.5), score.TokenLogProbabilities[1], Tolerance);
        Assert.AreEqual(Math.Log(0.8), score.TokenLogProbabilities[2], Tolerance);
        Assert.AreEqual(Math.Log(0.2), score.LogLikelihood, 3 * Tolerance);
        Assert.AreEqual(Math.Pow(0.2, -1 / 3.0), score.Perplexity, 3 * Tolerance);
    }

    [TestMethod]
    public void A_uniform_model_has_the_perplexity_of_its_vocabulary()
    {
        var uniform = new HistoryModel(50_257, 16, _ => new float[50_257]);
        Assert.AreEqual(50_257, SequenceScorer.Score(uniform, [[5, 50_256, 7]], 50_256)[0].Perplexity, 0.02); // 4e-7 of it: exp of a float32 logarithm near 10.8
    }

    [TestMethod]
    public void Logits_may_have_any_offset()
    {
        var shifted = new HistoryModel(2, 8, _ => [1_000f, 1_000f + MathF.Log(3)]);
        // Near 1,000 a float32 has steps of 6e-5.
        Assert.AreEqual(Math.Log(0.75), SequenceScorer.Score(shifted, [[1]], 0)[0].LogLikelihood, 1e-4);
    }

    [TestMethod]
    public void Batches_and_chunks_change_nothing()
    {
        int[][] sequences = [[1], [], [2, 1, 1, 2, 2, 1, 0, 1], [1, 2], [2, 2, 2, 2, 2], [0, 0, 1]];
        IReadOnlyList<SequenceScore> whole = SequenceScorer.Score(Bigram(), sequences, EndOfText);
        foreach ((int batch, long bytes) in new[] { (1, 1L), (2, 1L), (3, 50L), (6, 100L), (6, 1L << 20) })
        {
            HistoryModel model = Bigram();
            IReadOnlyList<SequenceScore> chunked = SequenceScorer.Score(model, sequences, EndOfText, new() { BatchSize = batch, MaxLogitBytes = bytes });
            for (int i = 0; i < sequences.Length; i++)
                CollectionAssert.AreEqual(whole[i].TokenLogProbabilities.ToArray(), chunked[i].TokenLogProbabilities.ToArray(), $"sequence {i}, batch {batch}, {bytes} bytes");

            // Never more than asked for, unless one position of the batch is more: 4 bytes · 3 tokens · B.
            Assert.IsLessThanOrEqualTo(Math.Max(bytes, 12 * batch), 4L * model.LargestLogitsBuffer);
            Assert.AreEqual(0, model.OpenDecoders);
        }
    }

    [TestMethod]
    public void A_sequence_that_is_through_leaves_the_batch()
    {
        HistoryModel model = Bigram();
        SequenceScorer.Score(model, [[1], [1, 2, 1], [1, 2]], EndOfText, new() { MaxLogitBytes = 1 });
        CollectionAssert.AreEqual(new[] { 3, 2, 1 }, model.RowsOfCalls);
    }

    [TestMethod]
    public void An_empty_sequence_has_no_perplexity()
    {
        SequenceScore score = SequenceScorer.Score(Bigram(), [[]], EndOfText)[0];
        Assert.AreEqual(0, score.TokenCount);
        Assert.AreEqual(0, score.LogLikelihood);
        Assert.IsTrue(double.IsNaN(score.Perplexity));
    }

    [TestMethod]
    public void A_sequence_longer_than_the_context_is_an_error_or_keeps_its_tail()
    {
        var exception = Assert.ThrowsExactly<PromptTooLongException>(() => SequenceScorer.Score(Bigram(4), [[1], [1, 2, 1, 2, 1]], EndOfText));
        Assert.AreEqual((5, 4), (exception.TokenCount, exception.Limit));
        SequenceScore tail = SequenceScorer.Score(Bigram(4), [[1, 2, 1, 2, 1]], EndOfText, new() { Overflow = PromptOverflow.KeepTail })[0];
        // 2 1 2 1 after end-of-text: 0.375 · 0.8 · 0.5 · 0.8 = 0.12.
        Assert.AreEqual(Math.Log(0.12), tail.LogLikelihood, 4 * Tolerance);
        Assert.AreEqual(4, SequenceScorer.Score(Bigram(4), [[1, 2, 1, 2]], EndOfText)[0].TokenCount, "exactly the context");
    }

    [TestMethod]
    public void Bad_input_is_an_error_before_anything_is_computed()
    {
        HistoryModel model = Bigram();
        var exception = Assert.ThrowsExactly<TokenOutOfRangeException>(() => SequenceScorer.Score(model, [[1], [1, 3]], EndOfText));
        StringAssert.Contains(exception.Message, "sequence 1, position 1");
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => SequenceScorer.Score(model, [[1]], endOfTextId: 3));
        Assert.ThrowsExactly<ArgumentException>(() => SequenceScorer.Score(model, [null!], EndOfText));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => SequenceScorer.Score(model, [[1]], EndOfText, new() { BatchSize = 0 }));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => SequenceScorer.Score(model, [[1]], EndOfText, new() { MaxLogitBytes = 0 }));
        Assert.HasCount(0, model.RowsOfCalls);
    }

    [TestMethod]
    public void A_model_that_computes_no_numbers_is_an_error() =>
        Assert.ThrowsExactly<NonFiniteLogitsException>(() => SequenceScorer.Score(new HistoryModel(2, 4, _ => [0, float.NaN]), [[1]], EndOfText));

    [TestMethod]
    public void Cancelling_ends_the_call()
    {
        using var source = new CancellationTokenSource();
        var model = new HistoryModel(3, 8, history =>
        {
            if (history.Count == 2) source.Cancel();
            return new float[3];
        });
        Assert.ThrowsExactly<OperationCanceledException>(() => SequenceScorer.Score(model, [[1, 2, 1, 2]], EndOfText, new() { MaxLogitBytes = 1 }, source.Token));
        Assert.HasCount(2, model.RowsOfCalls);
        Assert.AreEqual(0, model.OpenDecoders);
    }
}
