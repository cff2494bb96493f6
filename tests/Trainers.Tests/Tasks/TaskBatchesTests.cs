namespace MLNet.Gpt.Trainers.Tests.Tasks;

[TestClass]
public sealed class TaskBatchesTests
{
    private static readonly TaskExample[] Examples = [.. Enumerable.Range(0, 70).Select(static i => new TaskExample([new int[1 + (i * 37 % 50)]], i, 0))];

    [TestMethod]
    public void Every_epoch_has_every_example_once_in_an_order_of_its_own()
    {
        int[] first = Order(0), second = Order(1);
        CollectionAssert.AreEquivalent(Enumerable.Range(0, 70).ToArray(), first);
        CollectionAssert.AreEquivalent(first, second);
        CollectionAssert.AreNotEqual(first, second);
        CollectionAssert.AreEqual(first, Order(0), "the seed decides");

        static int[] Order(int epoch) => [.. TaskBatches.Of(Examples, 8, 4, seed: 3, epoch).SelectMany(static batch => batch).Select(static example => example.Label)];
    }

    [TestMethod]
    public void Batches_hold_examples_of_like_length()
    {
        // Padding of all batches: width × examples − tokens. 70 examples of 1 to 50 tokens.
        Assert.IsLessThan(Padding(1) / 3, Padding(4));
        Assert.HasCount(9, TaskBatches.Of(Examples, 8, 4, seed: 3, epoch: 0));

        static int Padding(int window) => TaskBatches.Of(Examples, 8, window, seed: 3, epoch: 0).Sum(static batch => (batch.Max(static e => e.Width) * batch.Length) - batch.Sum(static e => e.Width));
    }
}
