namespace MLNet.Gpt.Transforms.Tests.Saving;

[TestClass]
public sealed class SharedModelsTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly string _key = Guid.NewGuid().ToString();

    [TestMethod]
    public async Task Opening_one_model_keeps_no_other_waiting()
    {
        using var other = new ManualResetEventSlim();
        Task<bool> slow = Task.Run(() =>
        {
            bool came = false;
            SharedModels.Join(_key, () =>
            {
                came = other.Wait(Patience);
                return new Model();
            }).Dispose();
            return came;
        });
        await Task.Run(() =>
        {
            SharedModels.Join(_key + " other", static () => new Model()).Dispose();
            other.Set();
        });
        Assert.IsTrue(await slow, "the other model was opened and closed meanwhile");
    }

    [TestMethod]
    public async Task A_model_is_opened_once_for_all_who_want_it_at_once()
    {
        int opened = 0;
        SharedModels.Share<Model>[] shares = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => SharedModels.Join(_key, () =>
        {
            Interlocked.Increment(ref opened);
            Thread.Sleep(50);
            return new Model();
        }))));
        Assert.AreEqual(1, opened);
        foreach (SharedModels.Share<Model> share in shares)
        {
            Assert.AreSame(shares[0].Model, share.Model);
            Assert.IsFalse(share.Model.Disposed);
            share.Dispose();
        }

        Assert.IsTrue(shares[0].Model.Disposed);
    }

    [TestMethod]
    public async Task Who_waited_for_an_attempt_that_failed_makes_its_own()
    {
        using var waits = new ManualResetEventSlim();
        Task failing = Task.Run(() => Assert.ThrowsExactly<IOException>(() => SharedModels.Join<Model>(_key, () =>
        {
            waits.Set();
            Thread.Sleep(50);
            throw new IOException();
        })));
        waits.Wait(Patience);
        SharedModels.Share<Model> share = SharedModels.Join(_key, static () => new Model());
        await failing;
        Assert.IsFalse(share.Model.Disposed);
        using (SharedModels.Share<Model> second = SharedModels.Join<Model>(_key, static () => throw new InvalidOperationException("It is open."))) Assert.AreSame(share.Model, second.Model);
        share.Dispose();
        Assert.IsTrue(share.Model.Disposed);
    }

    private sealed class Model : IDisposable
    {
        public bool Disposed { get; private set; }

        public void Dispose() => Disposed = true;
    }
}
