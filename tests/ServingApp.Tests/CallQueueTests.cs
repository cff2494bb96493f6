using Microsoft.Extensions.Logging.Abstractions;
using ServingApp.Hosting;
using ServingApp.OpenAi;
using ServingApp.Queueing;

namespace ServingApp.Tests;

/// <summary>Calls for vectors, scores and classes: how many wait, and who leaves.</summary>
[TestClass]
public sealed class CallQueueTests
{
    [TestMethod]
    public async Task Calls_beyond_the_queue_are_refused_and_who_leaves_makes_room()
    {
        using CallQueue queue = await StartAsync(new() { ConcurrentCalls = 1, QueueLength = 1 });
        for (int round = 0; round < 2; round++) // a call that has ended leaves its place behind
        {
            using var first = new Blocked();
            using var gone = new CancellationTokenSource();
            queue.Add(first.Work);
            first.WaitUntilComputed();
            var second = new CallWork<int>(static _ => 2, gone.Token);
            queue.Add(second);
            Assert.AreEqual(1, queue.Length);
            OpenAiException full = Assert.ThrowsExactly<OpenAiException>(() => queue.Add(new CallWork<int>(static _ => 0, default)));
            Assert.AreEqual((429, true), (full.Status, full.RetryAfterSeconds > 0));
            await gone.CancelAsync();
            await Assert.ThrowsAsync<OperationCanceledException>(() => second.Result);
            Assert.AreEqual(0, queue.Length);
            var third = new CallWork<int>(static _ => 3, default);
            queue.Add(third);
            first.Leave();
            Assert.AreEqual((1, 3), (await first.Work.Result, await third.Result));
        }
    }

    [TestMethod]
    public async Task As_many_are_computed_at_once_as_is_set_and_one_that_fails_fails_alone()
    {
        using CallQueue queue = await StartAsync(new() { ConcurrentCalls = 2, QueueLength = 1 });
        using Blocked one = new(), two = new();
        queue.Add(one.Work);
        queue.Add(two.Work);
        one.WaitUntilComputed();
        two.WaitUntilComputed(); // beside the first
        var failing = new CallWork<int>(static _ => throw new InvalidOperationException("broken"), default);
        queue.Add(failing);
        one.Leave();
        Assert.AreEqual("broken", (await Assert.ThrowsExactlyAsync<InvalidOperationException>(() => failing.Result)).Message);
        var after = new CallWork<int>(static _ => 5, default);
        queue.Add(after);
        Assert.AreEqual(5, await after.Result);
        two.Leave();
        Assert.AreEqual(1, await two.Work.Result);
    }

    [TestMethod]
    public async Task A_call_whose_client_leaves_ends_within_its_computation()
    {
        using CallQueue queue = await StartAsync(new());
        using var gone = new CancellationTokenSource();
        using var computed = new ManualResetEventSlim();
        var work = new CallWork<int>(stop =>
        {
            computed.Set();
            stop.WaitHandle.WaitOne();
            stop.ThrowIfCancellationRequested();
            return 0;
        }, gone.Token);
        queue.Add(work);
        computed.Wait();
        await gone.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => work.Result);
    }

    [TestMethod]
    public async Task When_the_program_stops_nobody_waits_in_vain()
    {
        using CallQueue queue = await StartAsync(new());
        using var computed = new ManualResetEventSlim();
        var running = new CallWork<int>(stop =>
        {
            computed.Set();
            stop.WaitHandle.WaitOne();
            stop.ThrowIfCancellationRequested();
            return 0;
        }, default);
        var waiting = new CallWork<int>(static _ => 0, default);
        queue.Add(running);
        computed.Wait();
        queue.Add(waiting);
        await queue.StopAsync(default);
        foreach (CallWork<int> work in (CallWork<int>[])[running, waiting])
            Assert.AreEqual(503, (await Assert.ThrowsExactlyAsync<OpenAiException>(() => work.Result)).Status);
        Assert.AreEqual(503, Assert.ThrowsExactly<OpenAiException>(() => queue.Add(new CallWork<int>(static _ => 0, default))).Status);
    }

    private static async Task<CallQueue> StartAsync(ServingOptions options)
    {
        var queue = new CallQueue(options, NullLogger<CallQueue>.Instance);
        await queue.StartAsync(default);
        return queue;
    }

    /// <summary>A call that is computed until it may end.</summary>
    private sealed class Blocked : IDisposable
    {
        private readonly ManualResetEventSlim _computed = new(), _leave = new();

        public Blocked() => Work = new(_ =>
        {
            _computed.Set();
            _leave.Wait();
            return 1;
        }, default);

        public CallWork<int> Work { get; }

        public void WaitUntilComputed() => _computed.Wait();

        public void Leave() => _leave.Set();

        public void Dispose() => _leave.Set();
    }
}
