namespace MLNet.Gpt.Trainers.Tests.Runs;

[TestClass]
public sealed class RunCheckpointsTests
{
    [TestMethod]
    public void The_newest_checkpoints_stay_and_the_older_ones_go()
    {
        using var fixture = new TrainingFixture();
        var seen = new List<string>();
        LanguageModelOptions options = fixture.Options with { Run = fixture.Options.Run with { KeepCheckpoints = 2, Progress = p => { if (p.Step % 7 == 1 && p.Step > 1) seen.Add(string.Join(' ', Names(fixture))); } } };
        PretrainingResult result = fixture.Train(options, toFolder: true).Result;
        CollectionAssert.AreEqual((string[])["best step-00000007", "best step-00000007 step-00000014", "best step-00000014 step-00000021", "best step-00000021 step-00000028"], seen);
        CollectionAssert.AreEqual((string[])["best", "step-00000028", "step-00000030"], Names(fixture));
        Assert.AreEqual(result.LastCheckpoint, RunCheckpoints.FindLast(fixture.Run));
        Assert.AreEqual(result.BestCheckpoint, RunCheckpoints.FindBest(fixture.Run));
        Assert.IsNull(RunCheckpoints.FindLast(fixture.Folder));
        Assert.IsNull(RunCheckpoints.FindBest(fixture.Folder));
    }

    [TestMethod]
    [DataRow("training_state/state.safetensors", false)]
    [DataRow("training_state/state.json", false)]
    [DataRow("model.safetensors", false)]
    [DataRow("model.safetensors", true)]
    [DataRow("training_state/state.safetensors", true)]
    public void A_torn_newest_checkpoint_is_passed_over_for_the_one_before_and_the_run_ends_the_same(string file, bool missing)
    {
        using var untouched = new TrainingFixture();
        (float[] weights, PretrainingResult whole) = untouched.Train(untouched.Options, toFolder: true);
        using var fixture = new TrainingFixture();
        using var cancel = new CancellationTokenSource();
        LanguageModelOptions options = fixture.Options with { Run = fixture.Options.Run with { KeepCheckpoints = 3 } };
        fixture.Train(options with { Run = options.Run with { CancellationToken = cancel.Token, Progress = p => { if (p.Step == 23) cancel.Cancel(); } } }, toFolder: true);
        string newest = RunCheckpoints.FindLast(fixture.Run)!, torn = Path.Combine(newest, file);
        StringAssert.EndsWith(newest, "step-00000023");
        if (missing) File.Delete(torn);
        else using (FileStream stream = File.OpenWrite(torn)) stream.SetLength(stream.Length / 2);

        (float[] resumed, PretrainingResult rest) = fixture.Train(options with { Run = options.Run with { Resume = true } }, toFolder: true);
        Assert.IsTrue(fixture.Log.Any(line => line.Contains($"'{newest}' can't be used", StringComparison.Ordinal)), "the log says so");
        CollectionAssert.AreEqual(whole.History.Select(static p => (p.Step, p.Loss)).ToArray(), rest.History.Select(static p => (p.Step, p.Loss)).ToArray());
        CollectionAssert.AreEqual(weights, resumed);
        CollectionAssert.AreEqual((string[])["best", "step-00000021", "step-00000028", "step-00000030"], Names(fixture));
    }

    [TestMethod]
    public void With_no_whole_checkpoint_left_the_newest_ones_fault_is_told()
    {
        using var fixture = new TrainingFixture();
        fixture.Train(fixture.Options with { MaxSteps = 8 }, toFolder: true);
        string last = RunCheckpoints.FindLast(fixture.Run)!;
        File.WriteAllText(Path.Combine(last, "training_state", "state.json"), "{");
        var error = Assert.ThrowsExactly<CorruptFileException>(() => RunCheckpoints.FindLast(fixture.Run));
        StringAssert.StartsWith(error.Path, last);
    }

    [TestMethod]
    [DataRow("\"step\": 8", "\"step\": -8", "step is -8")]
    [DataRow("\"step\": 8", "\"step\": 2000000000", "step is 2000000000, but the optimizer made 8 updates and 0 were left out")]
    [DataRow("\"step\": 8", "\"step\": 99999999999999999999", "not the JSON")]
    [DataRow("\"optimizer_steps\": 8", "\"optimizer_steps\": -1", "the optimizer made -1 updates")]
    [DataRow("\"row_part\": 0", "\"row_part\": -1", "row_part is -1")]
    [DataRow("\"epoch\": 0", "\"epoch\": -1", "position.epoch is -1")]
    [DataRow("\"metrics\": {}", "\"metrics\": {\"a\": null}", "metrics.a is null")]
    [DataRow("\"kind\": \"pretraining\"", "\"kind\": \"policy optimization\"", "it has no 'policy', and updates were made")]
    [DataRow("\"kind\": \"pretraining\"", "\"kind\": \"\\ud800\"", "half of a surrogate pair")]
    [DataRow("\"kind\": \"pretraining\"", "\"kind\": \"\u00ff\"", "no UTF-8")]
    public void A_training_state_that_no_run_can_have_left_is_refused(string written, string damaged, string part)
    {
        using var fixture = new TrainingFixture();
        fixture.Train(fixture.Options with { MaxSteps = 8 }, toFolder: true);
        string last = RunCheckpoints.FindLast(fixture.Run)!, path = Path.Combine(last, "training_state", "state.json");
        string json = File.ReadAllText(path);
        StringAssert.Contains(json, written);
        File.WriteAllText(path, json.Replace(written, damaged, StringComparison.Ordinal), System.Text.Encoding.Latin1);   // ÿ becomes the byte 0xFF
        var error = Assert.ThrowsExactly<CorruptFileException>(() => TrainingCheckpoint.Open(last));
        Assert.AreEqual(path, error.Path);
        StringAssert.Contains(error.Message, part);
    }

    [TestMethod]
    [DataRow("{\"step\":-1,\"validation_loss\":1}")]
    [DataRow("{\"step\":1,\"validation_loss\":1e999}")]
    [DataRow("{\"step\":1,\"\\ud800\":1}")]
    [DataRow("null")]
    public void A_record_of_the_best_evaluation_that_no_run_wrote_is_refused(string json)
    {
        using var fixture = new TrainingFixture();
        string path = Path.Combine(Directory.CreateDirectory(Path.Combine(fixture.Folder, "training_state")).FullName, "best.json");
        File.WriteAllText(path, json);
        Assert.AreEqual(path, Assert.ThrowsExactly<CorruptFileException>(() => BestRecord.Read(fixture.Folder)).Path);
    }

    [TestMethod]
    public void What_killed_writers_left_is_no_checkpoint_and_goes_with_the_next_one()
    {
        using var fixture = new TrainingFixture();
        using var cancel = new CancellationTokenSource();
        fixture.Train(fixture.Options with { Run = fixture.Options.Run with { CancellationToken = cancel.Token, Progress = p => { if (p.Step == 8) cancel.Cancel(); } } }, toFolder: true);
        string checkpoints = Path.Combine(fixture.Run, "checkpoints");
        foreach (string remains in (string[])[".step-00000011.writing", ".step-00000003.removed"])
            File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(checkpoints, remains)).FullName, "model.safetensors"), "half");
        StringAssert.EndsWith(RunCheckpoints.FindLast(fixture.Run), "step-00000008");
        fixture.Train(fixture.Options with { Run = fixture.Options.Run with { Resume = true } }, toFolder: true);
        CollectionAssert.AreEqual((string[])["best", "step-00000030"], Names(fixture));
    }

    [TestMethod]
    public void A_writer_killed_between_two_renames_is_finished()
    {
        using var fixture = new TrainingFixture();
        fixture.Train(fixture.Options with { MaxSteps = 8 }, toFolder: true);
        foreach (string name in (string[])["step-00000008", "best"])
            Directory.Move(Path.Combine(fixture.Run, "checkpoints", name), Path.Combine(fixture.Run, "checkpoints", $".{name}.complete"));
        StringAssert.EndsWith(RunCheckpoints.FindLast(fixture.Run), "step-00000008");
        StringAssert.EndsWith(RunCheckpoints.FindBest(fixture.Run), "best");
    }

    [TestMethod]
    public void A_full_disk_is_told_and_the_last_checkpoint_can_be_used()
    {
        using var untouched = new TrainingFixture();
        (float[] weights, PretrainingResult whole) = untouched.Train(untouched.Options with { Evaluation = untouched.Options.Evaluation with { Interval = 0 } }, toFolder: true);
        long size = new DirectoryInfo(RunCheckpoints.FindLast(untouched.Run)!).EnumerateFiles("*", SearchOption.AllDirectories).Sum(static f => f.Length);

        // Room for one checkpoint and most of another.
        using var fixture = new TrainingFixture();
        Directory.CreateDirectory(fixture.Run);
        LanguageModelOptions options = fixture.Options with { Evaluation = fixture.Options.Evaluation with { Interval = 0 } };
        using (new SmallDisk(fixture.Run, (long)(1.7 * size)))
        {
            Assert.ThrowsExactly<DiskFullException>(() => fixture.Train(options, toFolder: true));
            string last = RunCheckpoints.FindLast(fixture.Run)!;
            StringAssert.EndsWith(last, "step-00000007");

            // With room again the run goes on to the same end.
            string copy = Path.Combine(fixture.Folder, "copy");
            foreach (string file in Directory.EnumerateFiles(fixture.Run, "*", SearchOption.AllDirectories))
            {
                string target = Path.Combine(copy, Path.GetRelativePath(fixture.Run, file));
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.Copy(file, target);
            }
        }

        Directory.Delete(fixture.Run, recursive: true);
        Directory.Move(Path.Combine(fixture.Folder, "copy"), fixture.Run);
        (float[] resumed, PretrainingResult rest) = fixture.Train(options with { Run = options.Run with { Resume = true } }, toFolder: true);
        CollectionAssert.AreEqual(whole.History.Select(static p => p.Loss).ToArray(), rest.History.Select(static p => p.Loss).ToArray());
        CollectionAssert.AreEqual(weights, resumed);
    }

    [TestMethod]
    public void A_resumed_run_knows_a_best_evaluation_that_came_after_its_checkpoint()
    {
        using var fixture = new TrainingFixture();
        LanguageModelOptions options = fixture.Options with { Evaluation = fixture.Options.Evaluation with { ReturnBest = true } };
        (float[] weights, PretrainingResult whole) = fixture.Train(options, toFolder: true);
        Directory.Delete(fixture.Run, recursive: true);

        // Killed at step 12: the last checkpoint is of step 7, the best evaluation of step 10.
        Assert.ThrowsExactly<InvalidOperationException>(() => fixture.Train(options, toFolder: true, stepStarting: step => { if (step == 12) throw new InvalidOperationException(); }));
        using var cancel = new CancellationTokenSource();
        PretrainingResult part = fixture.Train(options with { Run = options.Run with { Resume = true, CancellationToken = cancel.Token } }, toFolder: true, stepStarting: step => { if (step == 7) cancel.Cancel(); }).Result;
        Assert.AreEqual(10, part.BestStep);
        (float[] resumed, PretrainingResult rest) = fixture.Train(options with { Run = options.Run with { Resume = true } }, toFolder: true);
        Assert.AreEqual(whole.BestStep, rest.BestStep);
        Assert.AreEqual(whole.BestValidationLoss, rest.BestValidationLoss);
        CollectionAssert.AreEqual(weights, resumed);
    }

    private static string[] Names(TrainingFixture fixture) =>
        [.. Directory.EnumerateDirectories(Path.Combine(fixture.Run, "checkpoints")).Select(static path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
}
