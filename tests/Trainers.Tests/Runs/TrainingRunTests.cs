using TorchSharp;

namespace MLNet.Gpt.Trainers.Tests.Runs;

/// <summary>Evaluations whose losses are given: which weights a run keeps and returns. The weights are those of step s where all of them are s.</summary>
[TestClass]
public sealed class TrainingRunTests
{
    [TestMethod]
    [DataRow(double.NaN)]
    [DataRow(double.PositiveInfinity)]
    [DataRow(double.NegativeInfinity)]
    public void A_loss_that_is_not_finite_is_an_evaluation_without_improvement_and_the_best_finite_weights_stay(double broken)
    {
        using var fixture = new TrainingFixture();
        RunResult result = Evaluate(fixture, 3, null, 2, 1.5, broken, broken, broken, 1);
        Assert.IsTrue(result.StoppedEarly);
        Assert.IsTrue(result.IsBest);
        Assert.AreEqual((5, 2, 1.5, 3), (result.State.Step, result.State.BestStep, result.State.BestValidationLoss!.Value, result.State.EvaluationsSinceBest));
        Assert.AreEqual(RunCheckpoints.FindBest(fixture.Run), result.BestCheckpoint);
        Assert.AreEqual(2, WeightOf(result.BestCheckpoint!));
        Assert.AreEqual(2, _returned);
        Assert.HasCount(3, fixture.Log.Where(static line => line.Contains("not finite", StringComparison.Ordinal)));
        Assert.IsTrue(fixture.Log.Any(static line => line.EndsWith("no lower validation loss than step 2's in 3 evaluations.", StringComparison.Ordinal)), string.Join('\n', fixture.Log));
    }

    [TestMethod]
    public void Where_no_evaluation_was_finite_there_is_no_best_and_the_last_weights_are_returned()
    {
        using var fixture = new TrainingFixture();
        RunResult result = Evaluate(fixture, 2, null, double.NaN, double.NaN, 1);
        Assert.IsTrue(result.StoppedEarly);
        Assert.IsFalse(result.IsBest);
        Assert.AreEqual((2, 0, null, null), (result.State.Step, result.State.BestStep, result.State.BestValidationLoss, result.BestCheckpoint));
        Assert.IsNull(RunCheckpoints.FindBest(fixture.Run));
        Assert.AreEqual(2, _returned);
        Assert.IsTrue(fixture.Log.Any(static line => line.EndsWith("no finite validation loss in 2 evaluations.", StringComparison.Ordinal)), string.Join('\n', fixture.Log));
    }

    [TestMethod]
    [DataRow(60, 0.25, 180)]
    [DataRow(60, 1.0, 0)]
    [DataRow(60, 0.0, 0)]
    public void The_time_left_goes_by_the_updates_so_far(int seconds, double done, int left) => Assert.AreEqual(TimeSpan.FromSeconds(left), TrainingRun.RemainingOf(TimeSpan.FromSeconds(seconds), done));

    // One slow update of the most there can be: 8 minutes times two billion are more than a TimeSpan holds.
    [TestMethod]
    public void A_time_left_without_end_is_the_longest_there_is() => Assert.AreEqual(TimeSpan.MaxValue, TrainingRun.RemainingOf(TimeSpan.FromMinutes(8), 1.0 / int.MaxValue));

    [TestMethod]
    public void The_first_finite_loss_is_the_best_whatever_came_before()
    {
        using var fixture = new TrainingFixture();
        RunResult result = Evaluate(fixture, 0, null, double.NaN, 7, 8);
        Assert.AreEqual((2, 7.0, 2), (result.State.BestStep, result.State.BestValidationLoss!.Value, _returned));
    }

    [TestMethod]
    public void A_resumed_run_counts_on_and_returns_the_best_from_before()
    {
        using var fixture = new TrainingFixture();
        Evaluate(fixture, 3, null, 2, double.NaN);
        RunResult result = Evaluate(fixture, 3, TrainingCheckpoint.Open(RunCheckpoints.FindLast(fixture.Run)!), double.NaN, double.NaN, 1);
        Assert.IsTrue(result.StoppedEarly);
        Assert.AreEqual((4, 1, 2.0, 1), (result.State.Step, result.State.BestStep, result.State.BestValidationLoss!.Value, _returned));
    }

    [TestMethod]
    public void A_resumed_run_that_once_kept_such_weights_as_the_best_begins_without_a_best()
    {
        using var fixture = new TrainingFixture();
        Evaluate(fixture, 0, null, 2);
        string last = RunCheckpoints.FindLast(fixture.Run)!, state = Path.Combine(last, "training_state", "state.json");
        File.WriteAllText(state, File.ReadAllText(state).Replace("\"best_validation_loss\": 2", "\"best_validation_loss\": \"NaN\"", StringComparison.Ordinal));
        File.Delete(Path.Combine(RunCheckpoints.FindBest(fixture.Run)!, "training_state", "best.json"));
        TrainingCheckpoint resumed = TrainingCheckpoint.Open(last);
        Assert.IsTrue(double.IsNaN(resumed.State.BestValidationLoss!.Value));
        RunResult result = Evaluate(fixture, 0, resumed, double.NaN);
        Assert.AreEqual((0, null, null, 2), (result.State.BestStep, result.State.BestValidationLoss, result.BestCheckpoint, _returned));
    }

    [TestMethod]
    public void The_time_left_is_estimated_without_the_evaluation_before_the_first_update()
    {
        using var fixture = new TrainingFixture();
        List<TrainingProgress> reports = [];
        LanguageModelOptions options = fixture.Options with { MaxSteps = 1000, Evaluation = new() { Interval = 1 } };
        options = options with { Run = options.Run with { Progress = reports.Add } };
        RunFolder folder = fixture.RunFolder(options);
        Directory.CreateDirectory(folder.Path);
        using GptNetwork network = new(TrainingFixture.Config, GptDevice.Cpu, TrainingFixture.Seed);
        using var run = new TrainingRun(TrainingFixture.Model(network), options.Settings(evaluates: true), folder, null, fixture.Log.Add);
        var evaluating = System.Diagnostics.Stopwatch.StartNew();
        run.Evaluate(() =>
        {
            Thread.Sleep(50);
            evaluating.Stop();
            return 1;
        });
        run.State = run.State with { Step = 1, LossSum = 1, LossWeight = 1 };
        run.Report(validationLoss: null);

        // One of 1,000 updates is made: 999 times what it took, in which the evaluation had no part.
        TrainingProgress report = reports.Single();
        Assert.IsLessThanOrEqualTo((report.Elapsed - evaluating.Elapsed) * 999, report.Remaining);
        Assert.IsGreaterThanOrEqualTo(evaluating.Elapsed, report.Elapsed);
    }

    private int _returned;

    /// <summary>A run of one evaluation after each update: update s sets all weights to s.</summary>
    private RunResult Evaluate(TrainingFixture fixture, int patience, TrainingCheckpoint? resumed, params double[] losses)
    {
        LanguageModelOptions options = fixture.Options with { MaxSteps = 20, Evaluation = new() { Interval = 1, EarlyStoppingPatience = patience, ReturnBest = true } };
        RunFolder folder = fixture.RunFolder(options);
        Directory.CreateDirectory(folder.Path);
        using GptNetwork network = new(TrainingFixture.Config, GptDevice.Cpu, TrainingFixture.Seed);
        using var run = new TrainingRun(TrainingFixture.Model(network), options.Settings(evaluates: true), folder, resumed, fixture.Log.Add);
        foreach (double loss in losses)
        {
            if (!run.GoesOn) break;
            run.State = run.State with { Step = run.State.Step + 1, SkippedUpdates = run.State.SkippedUpdates + 1 };
            using (torch.no_grad()) network.Parameters.Master.fill_(run.State.Step);
            network.Parameters.RefreshWorkingCopy();
            run.Evaluate(() => loss);
        }

        RunResult result = run.Complete();
        float[] weights = [.. network.Parameters.Master.data<float>()];
        Assert.IsTrue(weights.All(w => w == weights[0]));
        _returned = (int)weights[0];
        return result;
    }

    private static int WeightOf(string checkpoint)
    {
        using GptCheckpoint opened = GptCheckpoint.Open(checkpoint);
        var values = new float[TrainingFixture.Config.EmbeddingSize];
        opened.Read("ln_f.bias", values);
        return (int)values[0];
    }
}
