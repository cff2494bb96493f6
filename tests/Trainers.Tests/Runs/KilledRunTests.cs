using MLNet.Gpt.Core.Tests.Engine;
using System.Diagnostics;
using System.Text.Json.Nodes;

namespace MLNet.Gpt.Trainers.Tests.Runs;

[TestClass]
public sealed class KilledRunTests
{
    // kill -9 at random moments of a training process, three times; the process that follows goes on from what is found. Dropout, averaged weights, micro-batches and
    // evaluations are on, and a checkpoint is written every third update, so that a kill often falls into writing one.
    [TestMethod]
    [DataRow("pretraining")]
    [DataRow("fine-tuning")]
    [DataRow("adapter")]
    [DataRow("task")]
    [DataRow("task-adapter")]
    [DataRow("task-frozen")]
    [DataRow("task-head")]
    [DataRow("regression")]
    [DataRow("choice")]
    [DataRow("reward")]
    [DataRow("reward-frozen")]
    [DataRow("preference")]
    [DataRow("ppo")]
    [DataRow("grpo")]
    [DataRow("rloo")]
    public void A_run_killed_at_any_moment_ends_with_the_reports_weights_and_moments_of_one_that_nobody_touched(string kind)
    {
        string root = Directory.CreateTempSubdirectory("mlnet-gpt-killed-").FullName;
        try
        {
            string whole = Path.Combine(root, "whole"), killed = Path.Combine(root, "killed");
            TestProgram.Run(KilledRun.Command, kind, whole);
            var random = new Random(kind.Length);
            foreach (int after in (int[])[4, 15, 28]) Kill(kind, killed, after, random.Next(60));
            TestProgram.Run(KilledRun.Command, kind, killed);

            CollectionAssert.AreEqual(Reports(whole), Reports(killed));
            string last = Path.GetFileName(RunCheckpoints.FindLast(whole)!);
            Assert.AreEqual($"step-{EveryTrainer.Steps:D8}", last);
            int compared = 0;
            foreach (string folder in (string[])["best", last])
            {
                foreach (string file in (string[])["model.safetensors", "adapter_model.safetensors", "training_state/head.safetensors", "training_state/value.safetensors", "training_state/value_head.safetensors", "training_state/state.safetensors"])
                {
                    string expected = Path.Combine(whole, "checkpoints", folder, file), actual = Path.Combine(killed, "checkpoints", folder, file);
                    Assert.AreEqual(File.Exists(expected), File.Exists(actual), file);
                    if (!File.Exists(expected)) continue;
                    CollectionAssert.AreEqual(File.ReadAllBytes(expected), File.ReadAllBytes(actual), $"{folder}/{file}");
                    compared++;
                }
            }

            // The weights or the adapter in both, the moments in the last, of a task the head in both, over frozen weights the head alone, and of PPO the value model and its head.
            bool frozen = EveryTrainer.FreezeOf(kind) != FrozenWeights.None, head = frozen || kind is "task" or "task-adapter" or "regression" or "choice" or "reward";
            Assert.AreEqual(frozen ? 3 : head ? 5 : kind == "ppo" ? 7 : 3, compared);
            if (head)
                CollectionAssert.AreEqual(File.ReadAllBytes(Path.Combine(whole, "model", "model.onnx")), File.ReadAllBytes(Path.Combine(killed, "model", "model.onnx")));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    /// <summary>Kills a process some milliseconds after it has reported a step.</summary>
    private static void Kill(string kind, string folder, int step, int milliseconds)
    {
        using Process process = TestProgram.Start(KilledRun.Command, kind, folder);
        Task<string> errors = process.StandardError.ReadToEndAsync();
        bool reached = false;
        while (!reached && process.StandardOutput.ReadLine() is { } line) reached = int.Parse(line, System.Globalization.CultureInfo.InvariantCulture) >= step;
        Assert.IsTrue(reached, errors.IsCompleted ? errors.Result : "The process ended by itself.");
        Thread.Sleep(milliseconds);
        process.Kill();   // SIGKILL
        process.WaitForExit();
    }

    /// <summary>The reports without what tells of time and memory.</summary>
    private static string[] Reports(string folder) => [.. File.ReadLines(Path.Combine(folder, "metrics.jsonl")).Select(static line =>
    {
        JsonObject report = JsonNode.Parse(line)!.AsObject();
        foreach (string name in (string[])["tokens_per_second", "examples_per_second", "elapsed_seconds", "peak_memory_bytes"]) Assert.IsTrue(report.Remove(name), name);
        if (report["metrics"] is JsonObject metrics) metrics.Remove("eps");   // episodes a second
        return report.ToJsonString();
    })];
}
