namespace MLNet.Gpt.Core.Tests.Engine;

[TestClass]
public sealed class OnceValueTests
{
    [TestMethod]
    public void A_failure_is_not_kept_and_a_value_is_made_once()
    {
        int calls = 0;
        var value = new OnceValue<string>(() => ++calls == 1 ? throw new IOException("not now") : $"call {calls}");
        Assert.AreEqual("not now", Assert.ThrowsExactly<IOException>(() => value.Value).Message);
        Assert.IsFalse(value.IsCreated);
        Assert.AreEqual("call 2", value.Value);
        Assert.AreEqual("call 2", value.Value);
        Assert.IsTrue(value.IsCreated);
    }

    [TestMethod]
    public void Threads_share_one_value()
    {
        int calls = 0;
        var value = new OnceValue<object>(() =>
        {
            Interlocked.Increment(ref calls);
            Thread.Sleep(20);
            return new object();
        });
        var found = new object[4];
        Thread[] threads = [.. Enumerable.Range(0, found.Length).Select(i => new Thread(() => found[i] = value.Value))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();
        Assert.AreEqual((1, 1), (calls, found.Distinct().Count()));
    }
}
