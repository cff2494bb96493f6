namespace MLNet.Gpt.Trainers.Tests.Pretraining;

[TestClass]
public sealed class TrainingStageTests
{
    // 6 updates of 8 rows of 4 tokens, 5 of 3 rows of 8, then 3 rows of the full 16. A row of the order has 16 tokens, so that the first stage ends
    // behind 48 quarters (12 rows), and the second in the middle of a row (15 halves), whose other half is left out.
    private static readonly IReadOnlyList<TrainingStage> Stages = [new(6, 4, 8), new(5, 8, 3)];

    [TestMethod]
    public void A_token_comes_once_an_epoch_across_the_stages()
    {
        using var fixture = new TrainingFixture();
        LanguageModelOptions options = fixture.Options with { Stages = Stages, BatchSize = 1, MaxSteps = 40 };
        using var loader = new BatchLoader(fixture.TrainingRows, TrainingPlan.Of(options), TrainingFixture.Seed, new());
        var order = new BatchOrder(fixture.TrainingRows, TrainingFixture.Seed);
        var whole = new long[20];
        order.Next(whole);
        Assert.AreEqual(0L, order.Position.Epoch);

        long[] first = [.. Enumerable.Range(0, 6).SelectMany(_ => loader.Next().RowStarts)];
        CollectionAssert.AreEqual(whole.Take(12).SelectMany(static row => (long[])[row, row + 4, row + 8, row + 12]).ToArray(), first);
        long[] second = [.. Enumerable.Range(0, 5).SelectMany(_ => loader.Next().RowStarts)];
        CollectionAssert.AreEqual(whole.Skip(12).SelectMany(static row => (long[])[row, row + 8]).Take(15).ToArray(), second);
        var next = new long[1];
        order.Next(next);
        CollectionAssert.AreEqual(next, loader.Next().RowStarts);
    }

    [TestMethod]
    public void A_short_row_has_the_tokens_of_its_part_and_their_successors_as_targets()
    {
        using var fixture = new TrainingFixture();
        LanguageModelOptions options = fixture.Options with { Stages = Stages };
        using var loader = new BatchLoader(fixture.TrainingRows, TrainingPlan.Of(options), TrainingFixture.Seed, new());
        TrainingBatch batch = loader.Next();
        Assert.HasCount(8 * 4, batch.Inputs);
        var tokens = new long[5];
        for (int row = 0; row < 8; row++)
        {
            fixture.TrainingRows.File.Read(batch.RowStarts[row], tokens);
            CollectionAssert.AreEqual(tokens[..4], batch.Inputs[(4 * row)..(4 * row + 4)]);
            CollectionAssert.AreEqual(tokens[1..], batch.Targets[(4 * row)..(4 * row + 4)]);
        }
    }

    // A reader that fails, or that nobody waits for any more, ends.
    [TestMethod]
    public void What_reading_ahead_throws_comes_with_each_next_batch()
    {
        using var fixture = new TrainingFixture();
        var plan = TrainingPlan.Of(fixture.Options);
        using (var unread = new BatchLoader(fixture.TrainingRows, plan, TrainingFixture.Seed, new()))
        {
        }

        using var loader = new BatchLoader(fixture.TrainingRows, plan, TrainingFixture.Seed, new());
        _ = loader.Next();
        fixture.TrainingRows.File.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => { for (int i = 0; i < 3; i++) _ = loader.Next(); }); // one was read before
        Assert.ThrowsExactly<ObjectDisposedException>(() => loader.Next());
    }

    [TestMethod]
    public void A_run_that_ends_within_at_or_behind_a_stage_boundary_resumes_to_the_same_losses_and_weights()
    {
        using var untouched = new TrainingFixture();
        LanguageModelOptions options = untouched.Options with { Stages = Stages, MaxSteps = 18, MicroBatchSize = 1, Evaluation = untouched.Options.Evaluation with { Interval = 9 } };
        (float[] weights, PretrainingResult whole) = untouched.Train(options, toFolder: true);

        // 6 and 11 are the boundaries; behind 7 and 11 a row is used in part (3 and 15 halves).
        foreach (int stop in (int[])[5, 6, 7, 8, 11, 12])
        {
            using var fixture = new TrainingFixture();
            using var cancel = new CancellationTokenSource();
            fixture.Train(options with { Run = options.Run with { CancellationToken = cancel.Token, Progress = p => { if (p.Step == stop) cancel.Cancel(); } } }, toFolder: true);
            (float[] resumed, PretrainingResult rest) = fixture.Train(options with { Run = options.Run with { Resume = true } }, toFolder: true);
            CollectionAssert.AreEqual(whole.History.Select(static p => (p.Step, p.Loss, p.Tokens)).ToArray(), rest.History.Select(static p => (p.Step, p.Loss, p.Tokens)).ToArray(), $"stopped after step {stop}");
            CollectionAssert.AreEqual(weights, resumed, $"stopped after step {stop}");
        }
    }

    [TestMethod]
    public void Tokens_are_counted_by_stage()
    {
        using var fixture = new TrainingFixture();
        PretrainingResult result = fixture.Train(fixture.Options with { Stages = Stages, BatchSize = 3, MaxSteps = 13 }).Result;
        // 6 × 8 × 4 = 192; 5 × 3 × 8 = 120; 2 × 3 × 16 = 96.
        Assert.AreEqual(32L, result.History[0].Tokens);
        Assert.AreEqual(192L, result.History[5].Tokens);
        Assert.AreEqual(312L, result.History[10].Tokens);
        Assert.AreEqual(408L, result.History[12].Tokens);
    }

    [TestMethod]
    public void Other_stages_are_refused_on_resuming()
    {
        using var fixture = new TrainingFixture();
        fixture.Train(fixture.Options with { Stages = Stages, MaxSteps = 12 }, toFolder: true);
        var error = Assert.ThrowsExactly<ResumeMismatchException>(() => fixture.Train(fixture.Options with { Stages = [new(6, 4, 8), new(5, 8, 6)], MaxSteps = 12, Run = fixture.Options.Run with { Resume = true } }, toFolder: true));
        CollectionAssert.AreEquivalent((string[])["MicroBatchSize", "Stages"], error.Differences.ToArray());
    }
}
