// Asks Core's own tests about Stryker's changes, in one process. eng/mutate.sh compiles this file into a copy of tests/Core.Tests, whose
// entry point it is, beside the assembly that holds all changes, each behind a switch.
//
//   MLNet.Gpt.Core.Tests REPORT RESULTS [quick]
//
// REPORT: Stryker's report, which says what the changes are; in the end the answers stand in it. RESULTS: a folder of this program's own.
// quick: step 3 is for what is computed once, and for nothing else.
//
// 1. All tests run without a change, each twice; what each reaches, and how long it takes, is written down. What the first run alone
//    reaches is computed once for a process.
// 2. For each change the tests that reach it run, the quickest first, up to the first that fails and passes without the change. A test
//    that takes ten times the processor's time it took before, and two seconds more, counts as failed: time spent waiting for a busy
//    machine plays no part. (A test that waits for ever is given up after a minute.)
// 3. What was noticed by none is asked again in a process of its own; what is computed once is asked there alone, and all tests are asked
//    about it. There the tests have half a minute more.
//
// Exit code 0: all is answered. 3: go on in a new process, because this one is no longer as it was. Anything else: the process died, of
// the change whose number is the last in RESULTS/answers.txt (a stack that overflowed, say), which counts as noticed.
using System.Globalization;
using System.Reflection;
using System.Text.Json.Nodes;

namespace MLNet.Gpt.Core.Tests;

internal static class MutationWorker
{
    private const int GoOn = 3, Poll = 20, Patience = 60_000 / Poll;
    private static readonly TimeSpan s_long = TimeSpan.FromMinutes(5), s_start = TimeSpan.FromSeconds(30);
    private static readonly HashSet<string> s_warm = [];
    private static FieldInfo active = null!;

    private static int Active
    {
        set => active.SetValue(null, value);
    }

    public static int Main(string[] arguments)
    {
        (string report, string folder) = (arguments[0], arguments[1]);
        string answersFile = Path.Combine(folder, "answers.txt"), reachedFile = Path.Combine(folder, "reached.txt");
        Type control = typeof(GptTokenizer).Assembly.GetTypes().Single(type => type.Name == "MutantControl");
        active = control.GetField("ActiveMutant")!;
        Active = -1;
        Test[] tests = [.. Discover()];
        if (!File.Exists(reachedFile)) Look(tests, control, reachedFile);
        Reached reached = Reached.Read(reachedFile, tests);

        // id, answer, test; of several answers the last counts.
        Dictionary<int, (string Answer, string Test)> answers = File.Exists(answersFile)
            ? File.ReadLines(answersFile).Select(line => line.Split('\t')).GroupBy(line => Number(line[0])).ToDictionary(group => group.Key, group => (group.Last()[1], group.Last()[2]))
            : [];
        using var writer = new StreamWriter(answersFile, append: true) { AutoFlush = true };
        foreach ((int id, (string answer, string test)) in answers.ToArray())
        {
            if (answer is "asked" or "asked-alone") Write(id, "Killed", $"{test}, the process died");
        }

        JsonNode root = JsonNode.Parse(File.ReadAllText(report))!;
        JsonObject[] changes = [.. root["files"]!.AsObject().SelectMany(file => file.Value!["mutants"]!.AsArray()).Select(change => change!.AsObject()).Where(change => (string?)change["status"] is not ("Ignored" or "CompileError"))];
        int[] ids = [.. changes.Select(change => Number((string)change["id"]!))];

        // 2. Together.
        foreach (int id in ids.Where(id => !answers.TryGetValue(id, out var before) || before.Answer == "doubtful"))
        {
            bool again = answers.ContainsKey(id);
            if (!reached.By.TryGetValue(id, out List<Test>? by))
            {
                Write(id, "NoCoverage", "");
                continue;
            }

            if (reached.Once.Contains(id))
            {
                Write(id, "alone", "");
                continue;
            }

            string answer = arguments is [_, _, "quick"] ? "Survived" : "alone", noticedBy = "";
            foreach (Test test in by)
            {
                if (s_warm.Add(test.Name)) test.Run(s_long);
                Write(id, "asked", test.Name);
                Active = id;
                Outcome outcome = test.Run(reached.Limit(test), static () => Active = -1);
                Active = -1;
                if (outcome == Outcome.Passed) continue;
                noticedBy = test.Name;
                answer = outcome == Outcome.Failed ? "Killed" : "Timeout";
                if (outcome == Outcome.Stuck)
                {
                    Write(id, answer, noticedBy);
                    return GoOn;
                }

                if (test.Run(reached.Limit(test)) != Outcome.Passed)
                {
                    // Something of the change stays, or the test is moody. A second time, in a fresh process, it counts.
                    Write(id, again ? answer : "doubtful", noticedBy);
                    return GoOn;
                }

                break;
            }

            Write(id, answer, noticedBy);
        }

        // 3. Alone: this process has run nothing yet, or asks another to.
        foreach (int id in ids.Where(id => answers[id].Answer == "alone"))
        {
            if (s_warm.Count > 0) return GoOn;
            Active = id;
            (string answer, string noticedBy) = ("Survived", "");
            foreach (Test test in reached.Once.Contains(id) ? reached.By[id].Concat(reached.Quickest).Distinct() : reached.By[id])
            {
                Write(id, "asked-alone", test.Name);
                Outcome outcome = test.Run(reached.Limit(test) + s_start);
                if (outcome == Outcome.Passed) continue;
                (answer, noticedBy) = (outcome == Outcome.Failed ? "Killed" : "Timeout", test.Name);
                break;
            }

            Write(id, answer, noticedBy);
            return GoOn;
        }

        foreach (JsonObject change in changes)
        {
            (change["status"], change["statusReason"]) = answers[Number((string)change["id"]!)];
            change["static"] = false; // asked in a process of its own
        }

        File.WriteAllText(report, root.ToJsonString());
        return 0;

        void Write(int id, string answer, string test)
        {
            answers[id] = (answer, test);
            writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{id}\t{answer}\t{test}"));
        }
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    /// <summary>1. Runs all tests without a change, and writes down a line for each: its name, its seconds of the processor, and what it reaches.</summary>
    private static void Look(Test[] tests, Type control, string file)
    {
        FieldInfo capture = control.GetField("CaptureCoverage")!;
        MethodInfo take = control.GetMethod("GetCoverageData")!;
        var lines = new List<string>();
        var once = new SortedSet<int>();
        foreach (Test test in tests)
        {
            capture.SetValue(null, true);
            Outcome outcome = test.Run(s_long);
            int[] first = Reached();
            TimeSpan start = Environment.CpuUsage.TotalTime;
            test.Run(s_long);
            double seconds = (Environment.CpuUsage.TotalTime - start).TotalSeconds;
            capture.SetValue(null, false);
            int[] second = Reached();
            once.UnionWith(first.Except(second));
            if (outcome == Outcome.Passed) lines.Add(string.Create(CultureInfo.InvariantCulture, $"{test.Name}\t{seconds:F4}\t{string.Join(',', first.Union(second).Order())}"));
            else Console.WriteLine($"{test.Name} fails without a change, and is not asked: {test.Error?.Message}");
        }

        lines.Add($"once\t0\t{string.Join(',', once)}");
        File.WriteAllLines(file + ".new", lines);
        File.Move(file + ".new", file);
        s_warm.UnionWith(tests.Select(test => test.Name));

        int[] Reached()
        {
            var reached = (IList<int>[])take.Invoke(null, [])!;
            once.UnionWith(reached[1]);
            return [.. reached[0].Distinct()];
        }
    }

    private static IEnumerable<Test> Discover() =>
        from type in typeof(MutationWorker).Assembly.GetTypes()
        where type.GetCustomAttribute<TestClassAttribute>() is not null && type.GetCustomAttribute<IgnoreAttribute>() is null
        from method in type.GetMethods()
        where method.GetCustomAttribute<TestMethodAttribute>() is not null && method.GetCustomAttribute<IgnoreAttribute>() is null
        orderby type.FullName, method.Name
        select new Test(method);

    private enum Outcome
    {
        Passed,
        Failed,
        TooLong,
        Stuck, // too long, and it goes on without the change
    }

    /// <summary>A test method; all its rows are one test.</summary>
    private sealed class Test(MethodInfo method)
    {
        public string Name { get; } = $"{method.DeclaringType!.Name}.{method.Name}";

        public Exception? Error { get; private set; }

        public Outcome Run(TimeSpan limit, Action? release = null)
        {
            Error = null;
            var thread = new Thread(() =>
            {
                try
                {
                    RunRows();
                }
                catch (AssertInconclusiveException)
                {
                }
                catch (Exception exception)
                {
                    Error = exception;
                }
            })
            { IsBackground = true };
            TimeSpan start = Environment.CpuUsage.TotalTime;
            thread.Start();
            for (int polls = 0; !thread.Join(Poll); polls++)
            {
                if (polls < Patience && Environment.CpuUsage.TotalTime - start < limit) continue;
                release?.Invoke();
                return thread.Join(2_000) ? Outcome.TooLong : Outcome.Stuck;
            }

            return Error is null ? Outcome.Passed : Outcome.Failed;
        }

        private void RunRows()
        {
            ITestDataSource[] sources = [.. method.GetCustomAttributes().OfType<ITestDataSource>()];
            IEnumerable<object?[]> rows = sources.Length == 0 ? [[]] : sources.SelectMany(source => source.GetData(method));
            foreach (object?[] row in rows)
            {
                object instance = Activator.CreateInstance(method.DeclaringType!)!;
                try
                {
                    if (method.Invoke(instance, BindingFlags.DoNotWrapExceptions, null, Fit(row), null) is Task task) task.GetAwaiter().GetResult();
                }
                finally
                {
                    foreach (MethodInfo cleanup in method.DeclaringType!.GetMethods().Where(other => other.GetCustomAttribute<TestCleanupAttribute>() is not null)) cleanup.Invoke(instance, BindingFlags.DoNotWrapExceptions, null, [], null);
                    (instance as IDisposable)?.Dispose();
                }
            }
        }

        // A parameter that takes any number of values takes what is left, and one that the row leaves out has its default.
        private object?[] Fit(object?[] row)
        {
            ParameterInfo[] parameters = method.GetParameters();
            if (row.Length < parameters.Length) return [.. row, .. parameters[row.Length..].Select(parameter => parameter.DefaultValue)];
            if (parameters.Length == 0 || parameters[^1].GetCustomAttribute<ParamArrayAttribute>() is null || (row.Length == parameters.Length && (row[^1] is null || parameters[^1].ParameterType.IsInstanceOfType(row[^1])))) return row;
            object?[] rest = row[(parameters.Length - 1)..];
            Array values = Array.CreateInstance(parameters[^1].ParameterType.GetElementType()!, rest.Length);
            for (int i = 0; i < rest.Length; i++) values.SetValue(rest[i], i);
            return [.. row[..(parameters.Length - 1)], values];
        }
    }

    private sealed record Reached(Dictionary<int, List<Test>> By, HashSet<int> Once, List<Test> Quickest, Dictionary<Test, double> Seconds)
    {
        public TimeSpan Limit(Test test) => TimeSpan.FromSeconds(2 + 10 * Seconds[test]);

        public static Reached Read(string file, Test[] tests)
        {
            Dictionary<string, Test> named = tests.ToDictionary(test => test.Name);
            var result = new Reached([], [], [], []);
            foreach (string[] line in File.ReadLines(file).Select(line => line.Split('\t')).OrderBy(line => double.Parse(line[1], CultureInfo.InvariantCulture)))
            {
                int[] ids = [.. line[2].Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Number)];
                if (line[0] == "once")
                {
                    result.Once.UnionWith(ids);
                    continue;
                }

                Test test = named[line[0]];
                result.Quickest.Add(test);
                result.Seconds[test] = double.Parse(line[1], CultureInfo.InvariantCulture);
                foreach (int id in ids)
                {
                    if (!result.By.TryGetValue(id, out List<Test>? by)) result.By[id] = by = [];
                    by.Add(test);
                }
            }

            return result;
        }
    }
}
