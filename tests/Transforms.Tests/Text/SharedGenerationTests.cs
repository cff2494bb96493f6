using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Core.Tests.Generation.Constraints;

namespace MLNet.Gpt.Transforms.Tests.Text;

/// <summary>Tokens by way of a queue that callers share: each with options, a constraint, log-probabilities and a cancellation of its own.</summary>
[TestClass]
public sealed class SharedGenerationTests
{
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghijklmnop"]);

    // Every history has logits of its own.
    private static HistoryModel Engine() => new(Letters.VocabularySize, 64, static history =>
    {
        var random = new Random(history.Aggregate(17, static (hash, id) => (hash * 31) + id));
        return [.. Enumerable.Range(0, Letters.VocabularySize).Select(_ => (float)(random.NextDouble() * 4))];
    });

    private static GenerateTextOptions Options(int i) => new()
    {
        MaxNewTokens = 3 + i, Temperature = i % 2, Seed = i, StopStrings = i % 3 == 0 ? ["ab", "c"] : [], SamplesPerPrompt = 1 + (i % 3), TopLogProbabilities = i % 4 == 0 ? null : i % 4,
        LogitBias = new Dictionary<int, float> { [i % 16] = -3 }, PresencePenalty = i % 5 == 0 ? 1 : 0,
    };

    [TestMethod]
    public async Task Every_call_gets_the_tokens_thoughts_and_samples_that_it_gets_alone()
    {
        using var model = new GptModel(Engine(), Letters);
        using var queue = new GptGenerationQueue(model, new() { MaxRows = 4, PrefillTokens = 5, PrefixCacheTokens = 64 });
        ITokenConstraint vowels = TextConstraint.Regex("[aeio]+").Compile(Letters);
        var calls = Enumerable.Range(0, 12).Select(async i =>
        {
            int[] prompt = Letters.Encode(string.Concat(Enumerable.Range(0, 2 + i).Select(t => (char)('a' + (t * i % 16)))));
            ITokenConstraint? constraint = i % 4 == 1 ? vowels : null;
            List<GeneratedToken> told = [];
            IReadOnlyList<GeneratedSequence> shared = await queue.GenerateSequencesAsync(prompt, Options(i), told.Add, constraint);
            IReadOnlyList<GeneratedSequence> alone = model.GenerateSequences([prompt], Options(i), onToken: null, constraint);
            Assert.HasCount(alone.Count, shared);
            for (int sample = 0; sample < alone.Count; sample++)
            {
                CollectionAssert.AreEqual(alone[sample].TokenIds.ToArray(), shared[sample].TokenIds.ToArray(), $"call {i}");
                Assert.AreEqual((sample, alone[sample].FinishReason, alone[sample].StopString, alone[sample].TextByteCount), (shared[sample].SampleIndex, shared[sample].FinishReason, shared[sample].StopString, shared[sample].TextByteCount));
                if (constraint is not null) Assert.IsTrue(Letters.Decode(shared[sample].TokenIds).All("aeio".Contains));

                // What is told on the way is what is there in the end.
                GeneratedToken[] own = [.. told.Where(token => token.SampleIndex == sample)];
                CollectionAssert.AreEqual(shared[sample].TokenIds.ToArray(), own.Select(static token => token.TokenId).ToArray());
                CollectionAssert.AreEqual(Enumerable.Range(0, own.Length).ToArray(), own.Select(static token => token.Position).ToArray());
                Assert.AreEqual(i % 4 == 0, shared[sample].LogProbabilities is null);
                for (int t = 0; t < own.Length; t++)
                {
                    Assert.AreSame(shared[sample].LogProbabilities?[t], own[t].LogProbability);
                    Assert.AreEqual(alone[sample].LogProbabilities?[t].LogProbability, own[t].LogProbability?.LogProbability);
                    if (own[t].LogProbability is { } thought) Assert.HasCount(i % 4, thought.Alternatives);
                }
            }
        });
        await Task.WhenAll(calls);
        Assert.AreEqual((0, 0), (queue.WaitingCount, queue.RunningCount));
    }

    [TestMethod]
    public async Task A_listener_to_tokens_may_dispose_the_queue()
    {
        using var model = new GptModel(Engine(), Letters);
        var queue = new GptGenerationQueue(model);
        Task<IReadOnlyList<GeneratedSequence>> call = queue.GenerateSequencesAsync([1, 2], new() { MaxNewTokens = 50, StopAtEndOfText = false }, _ => queue.Dispose());
        await Assert.ThrowsAsync<OperationCanceledException>(() => call.WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.ThrowsExactly<ObjectDisposedException>(() => { _ = queue.GenerateSequencesAsync([1]); });
    }

    [TestMethod]
    public async Task What_is_wrong_is_told_by_the_call_itself_and_what_a_listener_throws_ends_its_sequence_alone()
    {
        using var model = new GptModel(Engine(), Letters);
        using var queue = new GptGenerationQueue(model, new() { MaxRows = 2 });
        Assert.ThrowsExactly<ArgumentNullException>(() => { _ = queue.GenerateSequencesAsync(null!); });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => { _ = queue.GenerateSequencesAsync([1], new() { MaxNewTokens = 0 }); });
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => { _ = queue.GenerateSequencesAsync([1], new() { StopTokenIds = [99] }); });
        Assert.ThrowsExactly<PromptTooLongException>(() => { _ = queue.GenerateSequencesAsync(new int[65]); });
        Assert.ThrowsExactly<UnsupportedOptionException>(() => { _ = queue.GenerateSequencesAsync([1], new() { BeamCount = 2, Temperature = 0 }); });
        Task<IReadOnlyList<GeneratedSequence>> bad = queue.GenerateSequencesAsync([1, 2], new() { MaxNewTokens = 9, StopAtEndOfText = false }, static token => { if (token.Position == 3) throw new InvalidOperationException("deaf"); });
        Task<IReadOnlyList<GeneratedSequence>> good = queue.GenerateSequencesAsync([1, 2, 3], new() { MaxNewTokens = 9, StopAtEndOfText = false });
        Assert.AreEqual("deaf", (await Assert.ThrowsExactlyAsync<InvalidOperationException>(() => bad)).Message);
        Assert.HasCount(9, (await good)[0].TokenIds);
        queue.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => { _ = queue.GenerateSequencesAsync([1]); });
    }

    [TestMethod]
    public async Task Who_gives_up_leaves_the_queue_at_once_and_a_pass_for_nobody_ends()
    {
        using var engine = new WaitingModel(Engine());
        using var model = new GptModel(engine, Letters);
        using var queue = new GptGenerationQueue(model, new() { MaxRows = 1, MaxWaiting = 2 });
        using CancellationTokenSource first = new(), second = new();
        GenerationOptions two = new() { MaxNewTokens = 2, StopAtEndOfText = false };
        Task<IReadOnlyList<GeneratedSequence>> runs = queue.GenerateSequencesAsync([1], two, cancellationToken: first.Token);
        while (queue.RunningCount < 1) await Task.Yield();
        Task<IReadOnlyList<GeneratedSequence>> waits = queue.GenerateSequencesAsync([2], two, cancellationToken: second.Token), stays = queue.GenerateSequencesAsync([3], two);

        // 1. There is no room for a third, nor for two samples, of which neither waits; when one has given up, there is.
        Assert.AreEqual(2, Assert.ThrowsExactly<GenerationQueueFullException>(() => { _ = queue.GenerateSequencesAsync([4], two); }).Waiting);
        await second.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => waits.WaitAsync(TimeSpan.FromMinutes(1)));
        Assert.AreEqual(1, queue.WaitingCount);
        Assert.ThrowsExactly<GenerationQueueFullException>(() => { _ = queue.GenerateSequencesAsync([4], two with { SamplesPerPrompt = 2 }); });
        Assert.AreEqual(1, queue.WaitingCount);

        // 2. The pass of the first one never ends by itself.
        Assert.IsFalse(runs.IsCompleted);
        await first.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => runs.WaitAsync(TimeSpan.FromMinutes(1)));
        engine.Open.Set();
        CollectionAssert.AreEqual(model.GenerateSequences([[3]], two)[0].TokenIds.ToArray(), (await stays)[0].TokenIds.ToArray());

        // 3. A token that has been cancelled before.
        await Assert.ThrowsAsync<OperationCanceledException>(() => queue.GenerateSequencesAsync([1], two, cancellationToken: first.Token));
    }

    [TestMethod]
    public async Task Who_waits_longest_comes_next_and_disposing_ends_all_that_wait_when_the_pass_has_ended()
    {
        using var engine = new WaitingModel(Engine());
        using var model = new GptModel(engine, Letters);
        GenerationOptions one = new() { MaxNewTokens = 1, StopAtEndOfText = false };
        List<int> order = [];
        using (var queue = new GptGenerationQueue(model, new() { MaxRows = 1 }))
        {
            Task<IReadOnlyList<GeneratedSequence>>[] calls = [.. Enumerable.Range(0, 5).Select(i => queue.GenerateSequencesAsync([i], one, _ => order.Add(i)))];
            engine.Open.Set();
            await Task.WhenAll(calls);
        }

        CollectionAssert.AreEqual(Enumerable.Range(0, 5).ToArray(), order);

        engine.Open.Reset();
        var disposed = new GptGenerationQueue(model, new() { MaxRows = 1 });
        Task<IReadOnlyList<GeneratedSequence>>[] ended = [.. Enumerable.Range(0, 3).Select(i => disposed.GenerateSequencesAsync([i], one))];
        while (engine.Inside < 1) await Task.Yield();
        engine.Leaving = 100;
        disposed.Dispose();
        Assert.AreEqual(0, engine.Inside, "its thread has ended");
        foreach (Task call in ended) await Assert.ThrowsAsync<OperationCanceledException>(() => call.WaitAsync(TimeSpan.FromMinutes(1)));
    }

    // With one place and nobody waiting, the place is free as soon as the call before has ended.
    [TestMethod]
    public async Task A_place_is_free_when_its_call_has_ended()
    {
        using var model = new GptModel(Engine(), Letters);
        using var queue = new GptGenerationQueue(model, new() { MaxRows = 1, MaxWaiting = 0 });
        for (int i = 0; i < 300; i++) Assert.HasCount(1, (await queue.GenerateSequencesAsync([i % 16], new() { MaxNewTokens = 1, StopAtEndOfText = false }))[0].TokenIds);
    }

    // Memory goes by the sequences that are there.
    [TestMethod]
    [DataRow(2, int.MaxValue)]
    [DataRow(int.MaxValue, 0)]
    [DataRow(int.MaxValue, int.MaxValue)]
    public async Task The_largest_numbers_mean_no_limit(int maxRows, int maxWaiting)
    {
        using var model = new GptModel(Engine(), Letters);
        using var queue = new GptGenerationQueue(model, new() { MaxRows = maxRows, MaxWaiting = maxWaiting, PrefillTokens = int.MaxValue });
        long before = GC.GetTotalMemory(forceFullCollection: true);
        Task<IReadOnlyList<GeneratedSequence>>[] calls = [.. Enumerable.Range(0, 10).Select(i => queue.GenerateSequencesAsync([i], new() { MaxNewTokens = 20, StopAtEndOfText = false }))];
        foreach (IReadOnlyList<GeneratedSequence> sequences in await Task.WhenAll(calls)) Assert.HasCount(20, sequences[0].TokenIds);
        Assert.IsLessThan(before + 50_000_000, GC.GetTotalMemory(forceFullCollection: true));
    }

    /// <summary>An engine whose passes wait until they are let through.</summary>
    private sealed class WaitingModel(HistoryModel model) : ICausalModel
    {
        public ManualResetEventSlim Open { get; } = new();

        /// <summary>How many milliseconds a pass takes to end when it has been cancelled.</summary>
        public int Leaving { get; set; }

        /// <summary>The passes under way.</summary>
        public int Inside { get; private set; }

        public GptConfig Config => model.Config;

        public GptDevice Device => model.Device;

        public ICausalDecoder BeginDecoding(int rowCount, int capacity) => new Decoder(this, (IForkableDecoder)model.BeginDecoding(rowCount, capacity));

        public void Dispose() => Open.Dispose();

        private sealed class Decoder(WaitingModel model, IForkableDecoder inner) : IForkableDecoder
        {
            public int RowCount => inner.RowCount;

            public int Length => inner.Length;

            public int Capacity => inner.Capacity;

            public void Append(ReadOnlySpan<int> tokenIds, ReadOnlySpan<byte> mask, LogitsScope scope, Span<float> logits, CancellationToken cancellationToken = default)
            {
                model.Inside++;
                try
                {
                    model.Open.Wait(cancellationToken);
                }
                catch (OperationCanceledException)
                {
                    Thread.Sleep(model.Leaving);
                    throw;
                }
                finally
                {
                    model.Inside--;
                }

                inner.Append(tokenIds, mask, scope, logits, cancellationToken);
            }

            public void SelectRows(ReadOnlySpan<int> rows) => inner.SelectRows(rows);

            public IForkableDecoder Fork(int capacity) => new Decoder(model, inner.Fork(capacity));

            public void Truncate(int length) => inner.Truncate(length);

            public void Join(IForkableDecoder other) => inner.Join(((Decoder)other).Inner);

            public void Compact() => inner.Compact();

            public void Dispose() => inner.Dispose();

            private IForkableDecoder Inner => inner;
        }
    }
}
