using System.Diagnostics;
using System.Globalization;
using System.IO.MemoryMappedFiles;
using MLNet.Gpt.Trainers.Tests.Fuzzing;
using static System.FormattableString;

namespace MLNet.Gpt.Benchmarks;

/// <summary>Damaged inputs for every parser, each parser in a process of its own, so that a crash or a hang costs one input and is counted.</summary>
internal static class FuzzBenchmark
{
    /// <summary>The first argument of a child process.</summary>
    public const string ChildName = "fuzz-child";

    private const int HangSeconds = 20, StateBytes = 64;

    public static int Run(BenchmarkArguments arguments)
    {
        long inputs = arguments.Int("--inputs", 1_000_000);
        string only = arguments.Text("--only", "");
        arguments.RefuseOthers();
        IReadOnlyList<FuzzTarget> targets = [.. FuzzTargets.All.Where(target => target.Name.Contains(only, StringComparison.OrdinalIgnoreCase))];
        if (targets.Count == 0) throw new ArgumentException($"--only is '{only}'; the parsers are {string.Join(", ", FuzzTargets.All.Select(static target => target.Name))}.");
        string statePath = Path.GetTempFileName();
        try
        {
            Console.WriteLine("parser                               inputs   refused  untyped  crashes  hangs   worst ms  worst MB        s");
            (long Inputs, long Untyped, long Crashes, long Hangs) sum = default;
            (double Milliseconds, double Megabytes) worst = default;
            for (int i = 0; i < targets.Count; i++)
            {
                long count = (inputs / targets.Count) + (i < inputs % targets.Count ? 1 : 0);
                Outcome outcome = RunTarget(targets[i].Name, count, statePath);
                Console.WriteLine(Invariant($"{targets[i].Name,-32} {outcome.Inputs,10:N0} {outcome.Refused,9:N0} {outcome.Untyped,8} {outcome.Crashes,8} {outcome.Hangs,6} {outcome.WorstMilliseconds,10:F1} {outcome.WorstMegabytes,9:F1} {outcome.Seconds,8:F1}"));
                sum = (sum.Inputs + outcome.Inputs, sum.Untyped + outcome.Untyped, sum.Crashes + outcome.Crashes, sum.Hangs + outcome.Hangs);
                worst = (Math.Max(worst.Milliseconds, outcome.WorstMilliseconds), Math.Max(worst.Megabytes, outcome.WorstMegabytes));
            }

            Console.WriteLine(Invariant($"fuzz inputs={sum.Inputs} untyped={sum.Untyped} crashes={sum.Crashes} hangs={sum.Hangs} worst_ms={worst.Milliseconds:F1} worst_mb={worst.Megabytes:F1}"));
            return sum is { Untyped: 0, Crashes: 0, Hangs: 0 } ? 0 : 1;
        }
        finally
        {
            File.Delete(statePath);
        }
    }

    /// <summary>The child: reads a parser's inputs from one on, and leaves in the state file how far it is.</summary>
    public static int RunChild(string name, string first, string count, string statePath)
    {
        using var fuzzer = new Fuzzer(FuzzTargets.All.Single(target => target.Name == name));
        using MemoryMappedFile file = MemoryMappedFile.CreateFromFile(statePath, FileMode.Open);
        using MemoryMappedViewAccessor state = file.CreateViewAccessor(0, StateBytes);
        long n = long.Parse(first, CultureInfo.InvariantCulture), end = n + long.Parse(count, CultureInfo.InvariantCulture);
        int told = 0;
        for (; n < end; n++)
        {
            fuzzer.Run(n);
            for (; told < fuzzer.Tally.Faults.Count; told++) Console.Error.WriteLine(fuzzer.Tally.Faults[told]);
            state.Write(0, fuzzer.Tally.Inputs);
            state.Write(8, fuzzer.Tally.Refused);
            state.Write(16, fuzzer.Tally.Untyped);
            state.Write(24, fuzzer.Tally.WorstMilliseconds);
            state.Write(32, fuzzer.Tally.WorstMegabytes);
        }

        return 0;
    }

    private static Outcome RunTarget(string name, long count, string statePath)
    {
        var outcome = new Outcome();
        var clock = Stopwatch.StartNew();
        while (outcome.Inputs < count)
        {
            File.WriteAllBytes(statePath, new byte[StateBytes]);
            using MemoryMappedFile file = MemoryMappedFile.CreateFromFile(statePath, FileMode.Open);
            using MemoryMappedViewAccessor state = file.CreateViewAccessor(0, StateBytes);
            using Process child = Process.Start(ThisProgram.Again(ChildName, name, Invariant($"{outcome.Inputs}"), Invariant($"{count - outcome.Inputs}"), statePath))!;
            long read = 0;
            var since = Stopwatch.StartNew();
            bool hangs = false;
            while (!child.WaitForExit(100))
            {
                long now = state.ReadInt64(0);
                if (now != read) since.Restart();
                read = now;
                if (since.Elapsed.TotalSeconds < HangSeconds) continue;
                hangs = true;
                child.Kill();
                child.WaitForExit();
            }

            read = state.ReadInt64(0);
            bool crashed = !hangs && child.ExitCode != 0;
            outcome.Inputs += read + (hangs || crashed ? 1 : 0);
            outcome.Refused += state.ReadInt64(8);
            outcome.Untyped += state.ReadInt64(16);
            outcome.WorstMilliseconds = Math.Max(outcome.WorstMilliseconds, hangs ? HangSeconds * 1_000 : state.ReadDouble(24));
            outcome.WorstMegabytes = Math.Max(outcome.WorstMegabytes, state.ReadDouble(32));
            if (hangs) outcome.Hangs++;
            if (crashed) outcome.Crashes++;
            if (hangs || crashed) Console.Error.WriteLine(Invariant($"{name}, input {outcome.Inputs - 1}: {(hangs ? $"no end within {HangSeconds} s" : $"the process ended with {child.ExitCode}")}"));
        }

        outcome.Seconds = clock.Elapsed.TotalSeconds;
        return outcome;
    }

    private sealed class Outcome
    {
        public long Inputs, Refused, Untyped, Crashes, Hangs;
        public double WorstMilliseconds, WorstMegabytes, Seconds;
    }
}
