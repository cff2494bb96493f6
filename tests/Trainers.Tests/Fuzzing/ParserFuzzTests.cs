using System.Text;

namespace MLNet.Gpt.Trainers.Tests.Fuzzing;

/// <summary>Damaged files end in the library's own errors, in bounded time and memory. benchmarks/run.sh fuzz reads as many as one likes.</summary>
[TestClass]
[TestCategory("Fuzz")]
public sealed class ParserFuzzTests
{
    private const int Inputs = 1_000;

    // The files have a few kilobytes; the limits leave room for a machine that does much else.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);
    private const double LimitMegabytes = 128;

    public static IEnumerable<object[]> Targets => FuzzTargets.All.Select(static target => new object[] { target.Name });

    public static IEnumerable<object[]> JsonTargets => FuzzTargets.All.Where(static target => target.IsJson).Select(static target => new object[] { target.Name });

    [TestMethod]
    [DynamicData(nameof(Targets))]
    public void A_thousand_damaged_inputs_are_read_or_refused_by_a_typed_error(string name)
    {
        using var fuzzer = new Fuzzer(Target(name));
        FuzzTally tally = Run(fuzzer, Inputs, Limit);
        Assert.AreEqual(Inputs, tally.Inputs);
        Assert.AreEqual(0, tally.Untyped, string.Join("\n", tally.Faults));
        Assert.IsLessThan(LimitMegabytes, tally.WorstMegabytes, "MiB for one input");

        // The damage is real: a good part of the inputs is refused.
        if (Target(name).IsPassedOver) Assert.AreEqual(0, tally.Refused);
        else Assert.IsGreaterThan(Inputs / 20, tally.Refused);
    }

    [TestMethod]
    [DynamicData(nameof(JsonTargets))]
    public void Invalid_UTF8_and_half_a_surrogate_pair_in_any_string_of_the_JSON_are_refused_by_a_typed_error(string name)
    {
        using var fuzzer = new Fuzzer(Target(name));
        int strings = 0;
        foreach (byte[] input in Mutations.WithUnreadableStrings(fuzzer.Valid).Where((_, i) => i < 200))
        {
            Exception? thrown = fuzzer.Run(input, "unreadable string");
            Assert.IsTrue(thrown is CorruptFileException or ConversationException or ConstraintException, $"{Encoding.Latin1.GetString(input)}: {thrown}");
            strings++;
        }

        Assert.IsGreaterThanOrEqualTo(4, strings);
    }

    [TestMethod]
    public void Another_exception_a_long_time_and_much_memory_are_noticed()
    {
        var target = new FuzzTarget("fake", "file", static folder => File.WriteAllText(Path.Combine(folder, "file"), "0"), static (_, random) => [(byte)('1' + random.Next(3))], static folder =>
        {
            switch (File.ReadAllText(Path.Combine(folder, "file")))
            {
                case "1": throw new InvalidOperationException();
                case "2": throw new CorruptFileException("file", "it is damaged.", "Write it again.");
                case "3": GC.KeepAlive(new byte[40 << 20]); break;
            }
        });
        using var fuzzer = new Fuzzer(target);
        FuzzTally tally = Run(fuzzer, 60, Limit);
        Assert.AreEqual(60, tally.Inputs);
        Assert.IsGreaterThan(0, tally.Untyped);
        Assert.IsGreaterThan(0, tally.Refused);
        Assert.IsLessThan(60, tally.Untyped + tally.Refused);
        StringAssert.Contains(tally.Faults[0], nameof(InvalidOperationException));
        Assert.AreEqual(40.0, tally.WorstMegabytes, 1.0);

        using var released = new ManualResetEventSlim();
        bool valid = true;
        using var slow = new Fuzzer(target with
        {
            Read = _ =>
            {
                if (!valid) released.Wait();
                valid = false;
            },
        });
        Assert.ThrowsExactly<AssertFailedException>(() => Run(slow, 1, TimeSpan.FromMilliseconds(200)));
        released.Set();
    }

    [TestMethod]
    public void The_same_number_gives_the_same_input()
    {
        foreach (FuzzTarget target in FuzzTargets.All.Where(static target => target.IsJson))
        {
            using Fuzzer first = new(target), second = new(target);
            CollectionAssert.AreEqual(first.Input(17), second.Input(17), target.Name);
            CollectionAssert.AreNotEqual(first.Input(17), first.Input(18), target.Name);
        }
    }

    private static FuzzTarget Target(string name) => FuzzTargets.All.Single(target => target.Name == name);

    /// <summary>Reads the first inputs on a thread of their own, and fails where one of them takes longer than the limit.</summary>
    private static FuzzTally Run(Fuzzer fuzzer, int count, TimeSpan limit)
    {
        long n = 0;
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                for (; n < count; n++) fuzzer.Run(n);
            }
            catch (Exception exception)
            {
                failure = exception;   // of the fuzzer itself; it fails the test below
            }
        })
        {
            IsBackground = true,
        };
        thread.Start();
        while (!thread.Join(50))
        {
            if (fuzzer.Running > limit) Assert.Fail($"Input {Interlocked.Read(ref n)} takes longer than {limit}.");
        }

        Assert.IsNull(failure, failure?.ToString());
        return fuzzer.Tally;
    }
}
