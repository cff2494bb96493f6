using System.Collections.Concurrent;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Runtime;

[TestClass]
public sealed class ComputeThreadsTests
{
    private int _before;

    [TestInitialize]
    public void Initialize()
    {
        TorchRuntime.Initialize();
        _before = get_num_threads();
        set_num_threads(3);
    }

    [TestCleanup]
    public void Cleanup() => set_num_threads(_before);

    // Each waits for the others, and so has a thread of its own.
    [TestMethod]
    public void The_body_runs_on_as_many_threads_as_libtorch_takes_the_calling_one_among_them()
    {
        var threads = new ConcurrentDictionary<int, bool>();
        using var all = new Barrier(3);
        ComputeThreads.Run(() =>
        {
            threads[Environment.CurrentManagedThreadId] = Thread.CurrentThread.IsThreadPoolThread;
            Assert.IsTrue(all.SignalAndWait(TimeSpan.FromMinutes(1)));
        });
        Assert.HasCount(3, threads);
        Assert.IsTrue(threads.ContainsKey(Environment.CurrentManagedThreadId));
    }

    // Those that libtorch computes with: they are there before the first region, none comes with it, and none is .NET's pool's.
    [TestMethod]
    public void On_Linux_the_threads_are_those_of_libtorchs_own_operations()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("libtorch's threads are those of GNU OpenMP on Linux alone.");
        using Tensor large = ones(1 << 22), sum = large.add(1);
        string[] before = Directory.GetDirectories("/proc/self/task");
        var ids = new ConcurrentBag<string>();
        var pool = new ConcurrentBag<bool>();
        using var all = new Barrier(3);
        ComputeThreads.Run(() =>
        {
            ids.Add(File.ResolveLinkTarget("/proc/thread-self", returnFinalTarget: false)!.Name);
            if (Thread.CurrentThread.IsThreadPoolThread) pool.Add(true);
            all.SignalAndWait();
        });
        Assert.AreEqual(3, ids.Distinct().Count());
        CollectionAssert.IsSubsetOf(ids.ToArray(), before.Select(Path.GetFileName).ToArray());
        Assert.IsLessThanOrEqualTo(Thread.CurrentThread.IsThreadPoolThread ? 1 : 0, pool.Count);
    }

    [TestMethod]
    public void What_the_body_throws_comes_out_after_all_have_ended_and_the_threads_go_on()
    {
        int ended = 0;
        using var all = new Barrier(3);
        AggregateException error = Assert.ThrowsExactly<AggregateException>(() => ComputeThreads.Run(() =>
        {
            all.SignalAndWait();
            if (Interlocked.Increment(ref ended) > 1) throw new InvalidOperationException("one of two");
        }));
        Assert.AreEqual(3, ended);
        Assert.HasCount(2, error.InnerExceptions);
        foreach (Exception inner in error.InnerExceptions) Assert.AreEqual("one of two", inner.Message);
        ComputeThreads.Run(() => Interlocked.Decrement(ref ended));
        Assert.AreEqual(0, ended);
        using Tensor ones = torch.ones(1 << 20), sum = ones.sum();
        Assert.AreEqual(1 << 20, sum.ToSingle());
    }

    // The collector stops managed code on libtorch's threads, too, and moves what it uses.
    [TestMethod]
    public void The_garbage_collector_runs_beside_the_body()
    {
        long sum = 0;
        for (int round = 0; round < 20; round++)
        {
            int next = -1;
            ComputeThreads.Run(() =>
            {
                for (int item; (item = Interlocked.Increment(ref next)) < 60;)
                {
                    int[] numbers = [.. Enumerable.Range(0, 1_000)];
                    if (item % 20 == 0) GC.Collect(2, GCCollectionMode.Forced, blocking: true, compacting: true);
                    Interlocked.Add(ref sum, numbers.Sum());
                }
            });
        }

        Assert.AreEqual(20L * 60 * 499_500, sum);
    }

    [TestMethod]
    public void Several_threads_may_call_it_at_once()
    {
        int calls = 0;
        Thread[] callers = [.. Enumerable.Range(0, 4).Select(_ => new Thread(() =>
        {
            for (int i = 0; i < 25; i++) ComputeThreads.Run(() => Interlocked.Increment(ref calls));
        }))];
        foreach (Thread caller in callers) caller.Start();
        foreach (Thread caller in callers) caller.Join();
        Assert.AreEqual(4 * 25 * 3, calls);
    }
}
