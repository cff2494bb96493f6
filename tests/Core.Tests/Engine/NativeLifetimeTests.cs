namespace MLNet.Gpt.Core.Tests.Engine;

[TestClass]
public sealed class NativeLifetimeTests
{
    [TestMethod]
    public void Without_uses_the_memory_is_freed_at_once_and_once()
    {
        int freed = 0;
        var lifetime = new NativeLifetime(this, () => freed++);
        lifetime.Acquire().Dispose();
        Assert.AreEqual(0, freed);
        lifetime.Dispose();
        lifetime.Dispose();
        Assert.AreEqual(1, freed);
        Assert.IsTrue(lifetime.IsDisposed);
    }

    [TestMethod]
    public void The_last_use_frees_the_memory_and_no_new_use_begins_meanwhile()
    {
        int freed = 0;
        var lifetime = new NativeLifetime(this, () => freed++);
        NativeLease first = lifetime.Acquire(), second = lifetime.Acquire();
        lifetime.ThrowIfDisposed();
        lifetime.Dispose();
        first.Dispose();
        Assert.AreEqual(0, freed);
        ObjectDisposedException refused = Assert.ThrowsExactly<ObjectDisposedException>(() => lifetime.Acquire());
        Assert.AreEqual(typeof(NativeLifetimeTests).FullName, refused.ObjectName);
        Assert.ThrowsExactly<ObjectDisposedException>(lifetime.ThrowIfDisposed);
        second.Dispose();
        Assert.AreEqual(1, freed);
        lifetime.Dispose();
        Assert.AreEqual(1, freed);
    }

    [TestMethod]
    [TestCategory("Long")]
    public void No_use_ever_sees_freed_memory_in_1000_races()
    {
        int live = 0;
        int[] done = DisposalRace.Run(1_000, () => new Memory(() => Interlocked.Increment(ref live), () => Interlocked.Decrement(ref live)), static memory => memory.Use(), static memory => memory.Use());
        Assert.AreEqual(0, live);
        Assert.IsGreaterThan(0, done.Min());
    }

    private sealed class Memory : IDisposable
    {
        private readonly NativeLifetime _lifetime;
        private int _freed;

        public Memory(Action made, Action freed)
        {
            made();
            _lifetime = new NativeLifetime(this, () =>
            {
                Volatile.Write(ref _freed, 1);
                freed();
            });
        }

        public void Use()
        {
            using NativeLease lease = _lifetime.Acquire();
            for (int i = 0; i < 50; i++) Assert.AreEqual(0, Volatile.Read(ref _freed));
        }

        public void Dispose() => _lifetime.Dispose();
    }
}
