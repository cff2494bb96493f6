using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Microsoft.ML;

namespace MLNet.Gpt.Benchmarks;

/// <summary>
/// Kills training processes (SIGKILL) at random moments, starts them again until they are done, and compares the losses and all files of the last
/// and best checkpoints with those of a run that was never touched.
/// </summary>
internal static class ResumeBenchmark
{
    /// <summary>The name under which the program is started again, to train in the folder that follows.</summary>
    public const string ChildName = "resume-child";

    private const int Trials = 10;

    public static int Run(BenchmarkArguments arguments)
    {
        int kills = arguments.Int("--kills", 2), seed = arguments.Int("--seed", Environment.ProcessId);
        arguments.RefuseOthers();
        DirectoryInfo root = Directory.CreateTempSubdirectory("mlnet-gpt-resume-");
        try
        {
            // 1. A run that nobody touches, twice: the second says how long one takes when the disk cache is warm.
            string untouched = Path.Combine(root.FullName, "untouched");
            Train(untouched, null);
            double whole = Train(Path.Combine(root.FullName, "again"), null);
            var random = new Random(seed);
            Console.WriteLine(Invariant($"resume: {Options(untouched).MaxSteps} steps in {whole:F1} s; {Trials} runs, each killed {kills} times at random moments (seed {seed})"));
            Console.WriteLine("run   killed after (s), newest checkpoint then              identical");

            // 2. Runs that are killed, and started again until they are done.
            int identical = 0;
            for (int trial = 1; trial <= Trials; trial++)
            {
                string folder = Path.Combine(root.FullName, Invariant($"killed-{trial}"));
                var moments = new List<string>();
                while (moments.Count < kills)
                {
                    // Somewhere in the time that a whole run takes, start-up included; a run that is over before has to be begun again.
                    double moment = random.NextDouble() * whole / (moments.Count + 1);
                    if (Train(folder, moment) < 0)
                    {
                        string step = RunCheckpoints.FindLast(folder) is { } last ? Path.GetFileName(last)[5..].TrimStart('0') : "none";
                        moments.Add(Invariant($"{moment:F2} ({step})"));
                    }
                    else
                    {
                        Directory.Delete(folder, recursive: true);
                        moments.Clear();
                    }
                }

                Train(folder, null);
                string? difference = Difference(untouched, folder);
                if (difference is null) identical++;
                Console.WriteLine(Invariant($"{trial,3}   {string.Join("  ", moments),-52}{difference ?? "yes"}"));
            }

            Console.WriteLine();
            Console.WriteLine(Invariant($"resume identical={identical} of={Trials}"));
            return identical == Trials ? 0 : 1;
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }

    /// <summary>The process that is killed: trains in a folder, from wherever the run in it stands.</summary>
    public static int RunChild(string folder)
    {
        var ml = new MLContext();
        using GptLanguageModelTransformer model = ml.Gpt().Trainers.LanguageModel("Text", Options(folder)).Fit(ml.Data.LoadFromEnumerable(Sentences()));
        return 0;
    }

    private static LanguageModelOptions Options(string folder) => new()
    {
        Model = new GptConfig { VocabularySize = 400, ContextLength = 64, EmbeddingSize = 64, LayerCount = 2, HeadCount = 4 },
        MaxSteps = 200,
        Stages = [new(80, 32, 16)],
        BatchSize = 8,
        MicroBatchSize = 4,
        Optimizer = new AdamWOptions { LearningRate = 3e-3, WarmupSteps = 20 },
        Evaluation = new() { Interval = 50 },
        Run = new() { Dropout = DropoutOptions.Everywhere(0.1f), AverageDecay = 0.99, Seed = 1, LogInterval = 7, CheckpointInterval = 15, KeepCheckpoints = 2, Precision = GptPrecision.Float32, Device = GptDevice.Cpu, Folder = folder, Resume = true },
    };

    /// <summary>2,000 sentences of a small grammar, always the same.</summary>
    private static IEnumerable<Document> Sentences()
    {
        string[] who = ["the cat", "a small dog", "every bird", "my friend", "the old captain"], does = ["sees", "follows", "remembers", "paints", "forgets"];
        string[] what = ["the river", "two green hills", "a letter", "the red boat", "an empty street"], when = ["today", "at night", "in spring", "again", "without a word"];
        for (int i = 0; i < 2_000; i++)
            yield return new(Invariant($"{who[i % 5]} {does[i / 5 % 5]} {what[i / 25 % 5]} {when[i / 125 % 5]}, number {i}."));
    }

    /// <returns>The seconds that it ran, or -1 where it was killed.</returns>
    private static double Train(string folder, double? killAfter)
    {
        long began = Stopwatch.GetTimestamp();
        using Process process = Process.Start(ThisProgram.Again(ChildName, folder))!;
        if (killAfter is { } seconds && !process.WaitForExit(TimeSpan.FromSeconds(seconds)))
        {
            process.Kill();   // SIGKILL
            process.WaitForExit();
            return -1;
        }

        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"The training process in '{folder}' ended with exit code {process.ExitCode}.");
        return Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    /// <summary>What differs between two runs, or null.</summary>
    private static string? Difference(string expected, string actual)
    {
        if (!Reports(expected).SequenceEqual(Reports(actual))) return "other reports";
        foreach (string folder in (string[])["best", Path.GetFileName(RunCheckpoints.FindLast(expected)!)])
        {
            foreach (string file in (string[])["model.safetensors", "training_state/state.safetensors"])
            {
                string left = Path.Combine(expected, "checkpoints", folder, file), right = Path.Combine(actual, "checkpoints", folder, file);
                if (File.Exists(left) && (!File.Exists(right) || !File.ReadAllBytes(left).AsSpan().SequenceEqual(File.ReadAllBytes(right)))) return $"other {folder}/{file}";
            }
        }

        return null;
    }

    /// <summary>The numbers of the reports that don't tell the time.</summary>
    private static IEnumerable<string> Reports(string folder) => File.ReadLines(Path.Combine(folder, "metrics.jsonl")).Select(static line =>
    {
        JsonElement json = JsonDocument.Parse(line).RootElement;
        return string.Join(' ', ((string[])["step", "tokens", "loss", "validation_loss", "bits_per_byte", "learning_rate", "gradient_norm", "loss_spikes"]).Select(name => json.GetProperty(name).GetRawText()));
    });

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed record Document(string Text);
}
