namespace MLNet.Gpt.Core.Tests.Generation;

[TestClass]
public sealed class RunningBatchTests
{
    private const int Vocabulary = 7, EndOfText = 6;

    // Every history has logits of its own, so that a token too many, too few or of another row shows.
    private static HistoryModel Model(int contextLength = 24) => new(Vocabulary, contextLength, static history =>
    {
        var random = new Random(history.Aggregate(17, static (hash, id) => (hash * 31) + id));
        float[] logits = [.. Enumerable.Range(0, Vocabulary).Select(_ => (float)(random.NextDouble() * 4))];
        logits[EndOfText] -= 2;
        return logits;
    });

    private static GenerationOptions Options(int i) => new() { MaxNewTokens = 1 + (i * 5 % 13), Temperature = i % 3 == 0 ? 0 : 0.8f, Seed = i, RepetitionPenalty = i % 2 == 0 ? 1 : 1.2f };

    private static int[] Prompt(int i) => [.. Enumerable.Range(0, 1 + (i * 7 % 20)).Select(t => (t * (i + 1)) % EndOfText)];

    private static QueuedGeneration Queued(ICausalModel model, int[] prompt, GenerationOptions options, CancellationToken cancellationToken = default, Action<GeneratedToken>? onToken = null)
    {
        GenerationStep step = TokenGenerator.Begin(model, options, EndOfText, null, null, onToken, CancellationToken.None);
        return new(step, step.Row(0, 0, prompt, null), cancellationToken);
    }

    /// <summary>What a sequence has come to; it must have ended.</summary>
    private static GeneratedSequence Result(QueuedGeneration one)
    {
        Assert.IsTrue(one.Done.IsCompleted, "It goes on.");
        return one.Done.GetAwaiter().GetResult();
    }

    [TestMethod]
    [DataRow(4, 1_000, 0)]
    [DataRow(4, 3, 0)]     // prompts in pieces of three tokens
    [DataRow(1, 1_000, 0)]
    [DataRow(16, 8, 100)]  // with the prompts of late kept
    [DataRow(3, 1, 60)]
    public void Sequences_that_join_and_leave_are_what_each_is_alone(int maxRows, int prefillTokens, int prefixCacheTokens)
    {
        using HistoryModel model = Model();
        GeneratedSequence[] alone = [.. Enumerable.Range(0, 40).Select(i => TokenGenerator.Generate(model, [Prompt(i)], Options(i), EndOfText)[0])];
        QueuedGeneration[] all = [.. Enumerable.Range(0, 40).Select(i => Queued(model, Prompt(i), Options(i)))];
        var waiting = new LinkedList<QueuedGeneration>();
        int come = 0, most = 0;
        using (var batch = new RunningBatch(model, maxRows, prefillTokens, prefixCacheTokens))
        {
            for (int step = 0; step < 2_000 && all.Any(static one => !one.Done.IsCompleted); step++)
            {
                if (step % 2 == 0 && come < all.Length) waiting.AddLast(all[come++]);
                if (batch.TakesMore) batch.Take(waiting);
                most = Math.Max(most, batch.Count);
                batch.Step(CancellationToken.None);
            }

            if (prefixCacheTokens > 0) Assert.IsGreaterThan(0, batch.ReusedTokens);
        }

        for (int i = 0; i < all.Length; i++)
        {
            GeneratedSequence found = Result(all[i]);
            CollectionAssert.AreEqual(alone[i].TokenIds.ToArray(), found.TokenIds.ToArray(), $"sequence {i}");
            Assert.AreEqual(alone[i].FinishReason, found.FinishReason);
        }

        Assert.AreEqual((0, false), (model.OpenDecoders, model.UsedAfterDisposal));
        Assert.AreEqual(maxRows, Math.Max(most, maxRows));
        if (maxRows is 3 or 4) Assert.AreEqual(maxRows, most);
    }

    [TestMethod]
    public void The_rows_are_moved_together_only_when_no_place_is_left()
    {
        // Sequences of eleven tokens, one more every six steps, so that there is always one that others join. A context of 24 has 88 places: 64 or more steps from one compaction to the next.
        using HistoryModel model = Model();
        using var batch = new RunningBatch(model, 2, 1_000, 0);
        var waiting = new LinkedList<QueuedGeneration>();
        for (int step = 0; step < 640; step++)
        {
            if (step % 6 == 0) waiting.AddLast(Queued(model, [1, 2], new() { MaxNewTokens = 11, StopAtEndOfText = false }));
            if (batch.TakesMore) batch.Take(waiting);
            batch.Step(CancellationToken.None);
            Assert.IsGreaterThan(0, batch.Count);
        }

        Assert.IsInRange(640 / 88, 640 / 64, model.Compactions);
    }

    [TestMethod]
    public void A_long_prompt_is_computed_in_pieces_between_which_the_others_go_on()
    {
        using HistoryModel model = Model(64);
        var tokens = new List<string>();
        QueuedGeneration first = Queued(model, [1], new() { MaxNewTokens = 20, StopAtEndOfText = false }, onToken: _ => tokens.Add("first"));
        QueuedGeneration second = Queued(model, [.. Enumerable.Repeat(2, 40)], new() { MaxNewTokens = 2, StopAtEndOfText = false }, onToken: _ => tokens.Add("second"));
        using var batch = new RunningBatch(model, 2, prefillTokens: 10, prefixCacheTokens: 0);
        batch.Take(new([first]));
        batch.Step(CancellationToken.None); // its prompt, and two tokens: one of it, one behind it
        batch.Take(new([second]));
        for (int i = 0; i < 4; i++) batch.Step(CancellationToken.None); // four pieces of ten tokens; after the last one "second" draws
        CollectionAssert.AreEqual(new[] { "first", "first", "first", "first", "first", "second", "first", "second" }, tokens);
    }

    [TestMethod]
    public void What_begins_together_fits_into_one_piece_and_is_padded_only_where_it_has_to_be()
    {
        using HistoryModel model = Model();
        using var batch = new RunningBatch(model, 8, prefillTokens: 6, prefixCacheTokens: 0);
        Assert.AreEqual((8, 0, true), (batch.MaxRows, batch.Count, batch.TakesMore));
        var options = new GenerationOptions { MaxNewTokens = 9, StopAtEndOfText = false };
        var waiting = new LinkedList<QueuedGeneration>(new int[][] { [1, 2, 3], [2, 3, 4], [3, 4], [3, 4, 5], [1, 2, 3, 4], [2] }.Select(prompt => Queued(model, prompt, options)));

        // Two of three tokens are six; a third would be nine.
        batch.Take(waiting);
        Assert.AreEqual((2, 4, false), (batch.Count, waiting.Count, batch.TakesMore));
        batch.Step(CancellationToken.None);
        Assert.IsTrue(batch.TakesMore);

        // Of two and three tokens, each is as wide as the wider one; then four are alone, as two rows of four would be eight; then one.
        foreach (int left in new[] { 2, 1, 0 })
        {
            batch.Take(waiting);
            Assert.AreEqual(left, waiting.Count);
            batch.Step(CancellationToken.None);
        }

        CollectionAssert.AreEqual(new[] { 2, 2, 2, 4, 1, 5, 1, 6 }, model.RowsOfCalls);
        CollectionAssert.AreEqual(new[] { false, false, true, false, false, false, false, false }, model.MaskedCalls);
    }

    [TestMethod]
    public void With_a_cache_each_prompt_is_looked_up_alone_and_a_full_batch_takes_no_more()
    {
        using HistoryModel model = Model();
        using var batch = new RunningBatch(model, 2, prefillTokens: 100, prefixCacheTokens: 50);
        var options = new GenerationOptions { MaxNewTokens = 9, StopAtEndOfText = false };
        var waiting = new LinkedList<QueuedGeneration>([Queued(model, [1], options), Queued(model, [2], options), Queued(model, [3], options)]);
        foreach (int count in new[] { 1, 2 })
        {
            Assert.IsTrue(batch.TakesMore);
            batch.Take(waiting);
            Assert.AreEqual(count, batch.Count);
            batch.Step(CancellationToken.None);
        }

        Assert.IsFalse(batch.TakesMore);
        batch.Take(waiting);
        Assert.AreEqual((2, 1), (batch.Count, waiting.Count));
    }

    [TestMethod]
    public void Disposing_ends_every_sequence_and_frees_every_decoder()
    {
        using HistoryModel model = Model();
        var options = new GenerationOptions { MaxNewTokens = 9, StopAtEndOfText = false };
        QueuedGeneration active = Queued(model, [1], options), joining = Queued(model, [1, 2, 3, 4, 5], options);
        var batch = new RunningBatch(model, 2, prefillTokens: 2, prefixCacheTokens: 50);
        batch.Take(new([active]));
        batch.Step(CancellationToken.None);
        batch.Take(new([joining]));
        batch.Step(CancellationToken.None);
        Assert.AreEqual((2, 2), (batch.Count, model.OpenDecoders));
        batch.Dispose();
        foreach (QueuedGeneration one in new[] { active, joining }) Assert.IsTrue(Assert.ThrowsExactly<TaskCanceledException>(() => Result(one)).CancellationToken.IsCancellationRequested);
        Assert.AreEqual((0, 0), (batch.Count, model.OpenDecoders));
    }

    [TestMethod]
    public void Who_gives_up_while_the_prompt_is_computed_leaves_if_nobody_else_waits_for_it()
    {
        using HistoryModel model = Model();
        using var cancellation = new CancellationTokenSource();
        var options = new GenerationOptions { MaxNewTokens = 3, StopAtEndOfText = false };

        // One prompt in pieces: its caller gives up after the first of them.
        QueuedGeneration leaves = Queued(model, [1, 2, 3, 4, 5], options, cancellation.Token);
        using var batch = new RunningBatch(model, 4, prefillTokens: 4, 0);
        batch.Take(new([leaves]));
        batch.Step(CancellationToken.None);
        Assert.AreEqual((1, 1, false), (batch.Count, model.OpenDecoders, batch.TakesMore));
        cancellation.Cancel();
        batch.Step(CancellationToken.None);
        Assert.IsTrue(leaves.Done.IsCanceled);
        Assert.AreEqual((0, 0, true), (batch.Count, model.OpenDecoders, batch.TakesMore));

        // Two prompts in one piece, of which one is given up: the other is computed.
        using var second = new CancellationTokenSource();
        QueuedGeneration gone = Queued(model, [1, 2], options, second.Token), stays = Queued(model, [2, 3], options);
        batch.Take(new([gone, stays]));
        second.Cancel();
        while (!stays.Done.IsCompleted) batch.Step(CancellationToken.None);
        Assert.IsTrue(gone.Done.IsCanceled);
        Assert.HasCount(3, Result(stays).TokenIds);
    }

    [TestMethod]
    public void A_computation_that_is_cancelled_ends_its_sequences_as_cancelled()
    {
        bool stop = false;
        using var model = new HistoryModel(Vocabulary, 24, _ => stop ? throw new OperationCanceledException() : new float[Vocabulary]);
        QueuedGeneration one = Queued(model, [1], new() { MaxNewTokens = 9, StopAtEndOfText = false });
        using var batch = new RunningBatch(model, 2, 100, 0);
        batch.Take(new([one]));
        batch.Step(CancellationToken.None);
        stop = true;
        batch.Step(CancellationToken.None);
        Assert.IsTrue(one.Done.IsCanceled);
        Assert.AreEqual((0, 0), (batch.Count, model.OpenDecoders));
    }

    [TestMethod]
    public void Each_row_is_begun_with_its_adapter_and_without_any_it_is_the_models_own()
    {
        using HistoryModel inner = Model();
        using var model = new AdaptableModel(inner);
        var adapter = new NamedAdapter("a");
        foreach ((IModelAdapter?[] adapters, string begun) in ((IModelAdapter?[], string)[])[([null, null], ""), ([null, adapter], "-, a"), ([adapter], "a")])
        {
            model.Begun = "";
            using IForkableDecoder decoder = GenerationStep.BeginForkable(model, adapters, 10);
            Assert.AreEqual((begun, adapters.Length, 10), (model.Begun, decoder.RowCount, decoder.Capacity));
        }
    }

    [TestMethod]
    public void An_engine_whose_decoders_can_not_be_joined_is_told_so()
    {
        using var model = new HistoryModel(4, 16, static _ => [0, 1, 2, 3]) { IsForkable = false };
        QueuedGeneration one = Queued(model, [1], new() { StopAtEndOfText = false });
        using var batch = new RunningBatch(model, 2, 100, 0);
        batch.Take(new([one]));
        batch.Step(CancellationToken.None);
        var exception = (UnsupportedOptionException)one.Done.Exception!.InnerException!;
        StringAssert.Contains(exception.Message, "HistoryModel");
        StringAssert.Contains(exception.Message, "generate in batches instead");
        Assert.AreEqual("engine", exception.Option);
        Assert.AreEqual((0, 0), (batch.Count, model.OpenDecoders));
    }

    [TestMethod]
    public void Who_gives_up_leaves_and_the_others_go_on()
    {
        using HistoryModel model = Model();
        using var cancellation = new CancellationTokenSource();
        var options = new GenerationOptions { MaxNewTokens = 12, StopAtEndOfText = false };
        QueuedGeneration leaves = Queued(model, [1, 2], options, cancellation.Token), stays = Queued(model, [3], options), comes = Queued(model, [4, 4], options, cancellation.Token);
        using var batch = new RunningBatch(model, 2, 100, 0);
        var waiting = new LinkedList<QueuedGeneration>([leaves, stays, comes]);
        batch.Take(waiting);
        for (int i = 0; i < 3; i++) batch.Step(CancellationToken.None);
        cancellation.Cancel();
        batch.Step(CancellationToken.None);
        Assert.AreEqual(cancellation.Token, Assert.ThrowsExactly<TaskCanceledException>(() => Result(leaves)).CancellationToken);
        Assert.AreEqual(1, batch.Count);
        batch.Take(waiting);
        Assert.IsTrue(comes.Done.IsCanceled);
        while (!stays.Done.IsCompleted) batch.Step(CancellationToken.None);
        CollectionAssert.AreEqual(TokenGenerator.Generate(model, [[3]], options, EndOfText)[0].TokenIds.ToArray(), Result(stays).TokenIds.ToArray());
    }

    [TestMethod]
    public void A_sequence_whose_draw_fails_ends_alone_and_an_engine_that_fails_ends_those_that_it_computed()
    {
        // After 5, 5 the model computes NaN; with a 0 in the history it fails altogether.
        bool broken = false;
        using var model = new HistoryModel(Vocabulary, 24, history =>
        {
            if (broken) throw new InvalidOperationException("broken");
            float[] logits = [0, 0, 0, 1, 0, 0, 0];
            if (history is [.., 5, 5]) logits[2] = float.NaN;
            return logits;
        });
        var options = new GenerationOptions { MaxNewTokens = 8, Temperature = 0, StopAtEndOfText = false };
        QueuedGeneration bad = Queued(model, [5, 5], options), good = Queued(model, [1, 1], options), late = Queued(model, [1, 2], options);
        using var batch = new RunningBatch(model, 4, 100, 0);
        batch.Take(new([bad, good]));
        batch.Step(CancellationToken.None);
        Assert.IsInstanceOfType<NonFiniteLogitsException>(bad.Done.Exception!.InnerException);
        Assert.IsFalse(good.Done.IsCompleted);
        broken = true;
        batch.Take(new([late]));
        batch.Step(CancellationToken.None);
        Assert.AreEqual("broken", good.Done.Exception!.InnerException!.Message);
        Assert.AreEqual("broken", late.Done.Exception!.InnerException!.Message);
        Assert.AreEqual((0, 0), (batch.Count, model.OpenDecoders));
        broken = false;
        QueuedGeneration after = Queued(model, [1], options);
        batch.Take(new([after]));
        while (!after.Done.IsCompleted) batch.Step(CancellationToken.None);
        CollectionAssert.AreEqual(new[] { 3, 3, 3, 3, 3, 3, 3, 3 }, Result(after).TokenIds.ToArray());
    }

    [TestMethod]
    public void An_engine_that_can_not_join_ends_those_that_come_and_keeps_nothing_of_them()
    {
        using HistoryModel model = Model();
        var options = new GenerationOptions { MaxNewTokens = 9, StopAtEndOfText = false };
        QueuedGeneration active = Queued(model, [1], options), comes = Queued(model, [2, 3], options);
        using var batch = new RunningBatch(model, 2, 100, 0);
        batch.Take(new([active]));
        batch.Step(CancellationToken.None);
        model.JoinFailure = new OutOfMemoryException("no room");
        batch.Take(new([comes]));
        batch.Step(CancellationToken.None);
        Assert.AreEqual(model.JoinFailure, comes.Done.Exception!.InnerException);
        Assert.AreEqual((1, 1), (batch.Count, model.OpenDecoders));
        while (!active.Done.IsCompleted) batch.Step(CancellationToken.None);
        CollectionAssert.AreEqual(TokenGenerator.Generate(model, [[1]], options, EndOfText)[0].TokenIds.ToArray(), Result(active).TokenIds.ToArray());
    }

    [TestMethod]
    public void A_known_beginning_is_not_computed_again_and_the_oldest_is_forgotten()
    {
        using HistoryModel model = Model(64);
        int[] system = [.. Enumerable.Range(0, 20).Select(static i => i % 5)];
        var options = new GenerationOptions { MaxNewTokens = 1, StopAtEndOfText = false };
        using var batch = new RunningBatch(model, 1, 1_000, prefixCacheTokens: 50);

        // 22 tokens; then 20 of 23 are known; then 23 of 24, whose last one is computed again if all are; then another beginning, for which the 24 have to go; then they are unknown.
        foreach ((int[] prompt, long reused) in new (int[], long)[] { ([.. system, 5, 5], 0), ([.. system, 4, 4, 4], 20), ([.. system, 4, 4, 4], 42), ([.. Enumerable.Repeat(3, 40)], 42), ([.. system, 5], 42) })
        {
            QueuedGeneration one = Queued(model, prompt, options);
            batch.Take(new([one]));
            batch.Step(CancellationToken.None);
            CollectionAssert.AreEqual(TokenGenerator.Generate(model, [prompt], options, EndOfText)[0].TokenIds.ToArray(), Result(one).TokenIds.ToArray());
            Assert.AreEqual(reused, batch.ReusedTokens);
        }
    }

    /// <summary>A model that takes adapters, and tells with which a decoder was begun.</summary>
    private sealed class AdaptableModel(HistoryModel inner) : IAdaptableModel
    {
        public string Begun { get; set; } = "";

        public GptConfig Config => inner.Config;

        public GptDevice Device => inner.Device;

        public LoraProjections AdaptableProjections => LoraProjections.All;

        public IReadOnlyCollection<IModelAdapter> Adapters => [];

        public IModelAdapter LoadAdapter(string name, string folder) => throw new NotSupportedException();

        public bool UnloadAdapter(string name) => throw new NotSupportedException();

        public ICausalDecoder BeginDecoding(int rowCount, int capacity) => inner.BeginDecoding(rowCount, capacity);

        public ICausalDecoder BeginDecoding(IReadOnlyList<IModelAdapter?> adapters, int capacity)
        {
            Begun = string.Join(", ", adapters.Select(static adapter => adapter?.Name ?? "-"));
            return inner.BeginDecoding(adapters.Count, capacity);
        }

        public void Dispose()
        {
        }
    }
}
