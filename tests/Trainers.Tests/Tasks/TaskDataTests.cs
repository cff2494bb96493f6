namespace MLNet.Gpt.Trainers.Tests.Tasks;

[TestClass]
public sealed class TaskDataTests
{
    // Thirty examples: numbers 0, 3, 6, ... are of class 1 (ten), the others of class 0 (twenty). The target is the example's number.
    private static readonly TaskData Thirty = Data([.. Enumerable.Range(0, 30).Select(static i => i % 3 == 0 ? 1 : 0)]);

    [TestMethod]
    // Computed by a program outside .NET: of each class the fifth whose SplitMix64(SplitMix64(seed ^ "split") ^ SplitMix64(number)) is smallest.
    [DataRow(1L, new[] { 14, 21, 24, 25, 26, 28 })]
    [DataRow(2L, new[] { 3, 6, 11, 16, 20, 29 })]
    [DataRow(-1L, new[] { 5, 6, 7, 12, 16, 29 })]
    public void A_seed_holds_out_the_same_examples_in_every_process(long seed, int[] expected)
    {
        (TaskData training, TaskData? validation) = Thirty.Split(0.2, seed);
        CollectionAssert.AreEqual(expected, Numbers(validation!));
        CollectionAssert.AreEqual(Enumerable.Range(0, 30).Except(expected).ToArray(), Numbers(training), "the rest, in the order of the rows");
    }

    [TestMethod]
    public void Each_class_gives_its_share()
    {
        for (long seed = 0; seed < 20; seed++)
        {
            TaskData validation = Thirty.Split(0.3, seed).Validation!;
            Assert.AreEqual(6, validation.Examples.Count(static example => example.Label == 0), "30 % of 20");
            Assert.AreEqual(3, validation.Examples.Count(static example => example.Label == 1), "30 % of 10");
        }
    }

    [TestMethod]
    public void Every_example_is_held_out_about_as_often_as_the_share_says()
    {
        // 2,000 seeds, a share of 0.2: 400 times each, with a standard deviation of sqrt(2000 * 0.2 * 0.8) = 17.9; five of them leave one false alarm in 58,000 suites.
        int[] times = new int[30];
        for (long seed = 0; seed < 2_000; seed++)
        {
            foreach (int number in Numbers(Thirty.Split(0.2, seed).Validation!)) times[number]++;
        }

        Assert.IsLessThan(90, times.Max(static t => Math.Abs(t - 400)), string.Join(", ", times));
    }

    [TestMethod]
    public void Nothing_is_held_out_where_the_share_is_0_or_no_class_can_give_an_example_away()
    {
        (TaskData all, TaskData? none) = Thirty.Split(0, 1);
        Assert.AreSame(Thirty, all);
        Assert.IsNull(none);
        TaskData single = Data([0, 1, 2]);
        Assert.IsNull(single.Split(0.4, 1).Validation);   // 0.4 of 1 rounds to 0
        Assert.HasCount(3, single.Split(0.4, 1).Training.Examples);
    }

    private static TaskData Data(int[] labels) =>
        new([.. labels.Select(static (label, i) => new TaskExample([[1, 2]], label, i))], new(labels.Length, 0, 0, 0, 0, 0));

    private static int[] Numbers(TaskData data) => [.. data.Examples.Select(static example => (int)example.Target)];
}
