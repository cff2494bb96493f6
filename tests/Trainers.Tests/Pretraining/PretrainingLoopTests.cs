using System.Text.Json;
using System.Xml.Linq;
using TorchSharp;

namespace MLNet.Gpt.Trainers.Tests.Pretraining;

[TestClass]
public sealed class PretrainingLoopTests
{
    [TestMethod]
    public void The_loss_falls_from_a_uniform_guess_to_what_the_data_leave_open()
    {
        using var fixture = new TrainingFixture();
        (_, PretrainingResult result) = fixture.Train(fixture.Options with { MaxSteps = 300, Evaluation = fixture.Options.Evaluation with { Interval = 100 }, Run = fixture.Options.Run with { LogInterval = 10 } });
        // ln 24 = 3.18 at first. A counting document leaves open only its end (about 1 in 35 tokens) and the next one's first token.
        Assert.IsLessThan(0.6, result.ValidationLoss!.Value);
        Assert.IsGreaterThan(2.8, result.History[0].Loss);
        Assert.AreEqual(300, result.Steps);
    }

    [TestMethod]
    public void A_run_resumed_from_any_checkpoint_ends_with_the_same_losses_and_weights()
    {
        using var untouched = new TrainingFixture();
        (float[] weights, PretrainingResult whole) = untouched.Train(untouched.Options, toFolder: true);
        foreach (int stop in (int[])[8, 15, 29])
        {
            using var fixture = new TrainingFixture();
            using var cancel = new CancellationTokenSource();
            LanguageModelOptions first = fixture.Options with { Run = fixture.Options.Run with { CancellationToken = cancel.Token, Progress = p => { if (p.Step == stop) cancel.Cancel(); } } };
            (_, PretrainingResult part) = fixture.Train(first, toFolder: true);
            Assert.IsTrue(part.Cancelled);
            Assert.AreEqual(stop, part.Steps);
            (float[] resumed, PretrainingResult rest) = fixture.Train(fixture.Options with { Run = fixture.Options.Run with { Resume = true } }, toFolder: true);
            CollectionAssert.AreEqual(whole.History.Select(static p => p.Loss).ToArray(), rest.History.Select(static p => p.Loss).ToArray());
            Assert.AreEqual(whole.ValidationLoss, rest.ValidationLoss);
            Assert.AreEqual(whole.BestValidationLoss, rest.BestValidationLoss);
            CollectionAssert.AreEqual(weights, resumed);
        }
    }

    [TestMethod]
    public void A_run_killed_between_two_reports_reports_the_same_means_when_resumed()
    {
        using var fixture = new TrainingFixture();
        LanguageModelOptions options = fixture.Options with { Run = fixture.Options.Run with { LogInterval = 4 } };
        (float[] weights, PretrainingResult whole) = fixture.Train(options, toFolder: true);
        string run = fixture.Run, checkpoints = Path.Combine(run, "checkpoints"), kept = Path.Combine(fixture.Folder, "kept");
        Directory.Delete(run, recursive: true);

        // At the report of step 16 the checkpoint on disk is that of step 14: two losses into the mean of steps 13 to 16.
        fixture.Train(options with { Run = options.Run with { Progress = p => { if (p.Step == 16) Copy(checkpoints, kept); } } }, toFolder: true);
        Directory.Delete(checkpoints, recursive: true);
        Copy(kept, checkpoints);
        (float[] resumed, PretrainingResult rest) = fixture.Train(options with { Run = options.Run with { Resume = true } }, toFolder: true);
        CollectionAssert.AreEqual(whole.History.Select(static p => (p.Step, p.Loss)).ToArray(), rest.History.Select(static p => (p.Step, p.Loss)).ToArray());
        CollectionAssert.AreEqual(weights, resumed);

        static void Copy(string from, string to)
        {
            foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
            {
                string target = Path.Combine(to, Path.GetRelativePath(from, file));
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.Copy(file, target);
            }
        }
    }

    [TestMethod]
    public void A_run_cancelled_between_two_reports_reports_the_same_means_when_resumed()
    {
        using var untouched = new TrainingFixture();
        PretrainingResult whole = untouched.Train(untouched.Options with { Run = untouched.Options.Run with { LogInterval = 10 } }, toFolder: true).Result;
        for (int attempt = 0; attempt < 20; attempt++)
        {
            using var fixture = new TrainingFixture();
            using var cancel = new CancellationTokenSource();
            LanguageModelOptions options = fixture.Options with { Run = fixture.Options.Run with { LogInterval = 10 } };
            Task? canceller = null;
            PretrainingResult part = fixture.Train(options with { Run = options.Run with { CancellationToken = cancel.Token, Progress = p => canceller ??= Task.Run(cancel.Cancel) } }, toFolder: true).Result;
            canceller!.Wait();
            if (!part.Cancelled || part.Steps % 10 == 0) continue;   // another thread cancels: it may come at a report
            PretrainingResult rest = fixture.Train(options with { Run = options.Run with { Resume = true } }, toFolder: true).Result;
            CollectionAssert.AreEqual(whole.History.Select(static p => (p.Step, p.Loss)).ToArray(), rest.History.Select(static p => (p.Step, p.Loss)).ToArray());
            return;
        }

        Assert.Inconclusive("Twenty runs were all cancelled at a report.");
    }

    [TestMethod]
    public void A_run_that_lost_what_came_after_its_checkpoint_writes_each_metrics_line_once()
    {
        using var fixture = new TrainingFixture();
        fixture.Train(fixture.Options, toFolder: true);
        string lines = Path.Combine(fixture.Folder, "run", "metrics.jsonl");
        string[] before = File.ReadAllLines(lines);

        // A killed run: the lines go on to step 30 and end torn, while the last checkpoint stands at step 14.
        using var cancel = new CancellationTokenSource();
        Directory.Delete(Path.Combine(fixture.Folder, "run"), recursive: true);
        fixture.Train(fixture.Options with { Run = fixture.Options.Run with { CancellationToken = cancel.Token, Progress = p => { if (p.Step == 14) cancel.Cancel(); } } }, toFolder: true);
        File.WriteAllText(lines, string.Join('\n', before)[..^20]);
        fixture.Train(fixture.Options with { Run = fixture.Options.Run with { Resume = true } }, toFolder: true);
        string[] after = File.ReadAllLines(lines);
        CollectionAssert.AreEqual(before.Select(StepAndLoss).ToArray(), after.Select(StepAndLoss).ToArray());

        static (int, double) StepAndLoss(string line)
        {
            JsonElement json = JsonDocument.Parse(line).RootElement;
            return (json.GetProperty("step").GetInt32(), json.GetProperty("loss").GetDouble());
        }
    }

    [TestMethod]
    public void Other_options_are_refused_on_resuming_and_named()
    {
        using var fixture = new TrainingFixture();
        fixture.Train(fixture.Options with { MaxSteps = 8 }, toFolder: true);
        LanguageModelOptions other = fixture.Options with { MaxSteps = 8, BatchSize = 8, Optimizer = fixture.Options.Optimizer with { Beta2 = 0.9 }, Run = fixture.Options.Run with { Resume = true } };
        var error = Assert.ThrowsExactly<ResumeMismatchException>(() => fixture.Train(other, toFolder: true));
        CollectionAssert.AreEquivalent((string[])["BatchSize", "MicroBatchSize", "Optimizer.Beta2"], error.Differences.ToArray());
        StringAssert.Contains(error.Message, "BatchSize was 4 and is 8");
    }

    [TestMethod]
    public void The_best_checkpoint_holds_the_weights_of_the_best_evaluation()
    {
        using var fixture = new TrainingFixture();
        // A rate that rises to a harmful height: the best evaluation is not the last.
        LanguageModelOptions options = fixture.Options with { MaxSteps = 60, Optimizer = new() { LearningRate = 2, MinLearningRate = 2, WarmupSteps = 59, GradientClipNorm = 0 }, Evaluation = fixture.Options.Evaluation with { Interval = 5, ReturnBest = true } };
        (float[] weights, PretrainingResult result) = fixture.Train(options, toFolder: true);
        Assert.IsLessThan(60, result.BestStep);
        Assert.IsLessThan(result.ValidationLoss!.Value, result.BestValidationLoss!.Value);
        using GptCheckpoint best = GptCheckpoint.Open(Path.Combine(fixture.Folder, "run", "checkpoints", "best"));
        using GptNetwork network = GptNetwork.FromWeights(best, GptDevice.Cpu);
        CollectionAssert.AreEqual(weights, network.Parameters.Master.data<float>().ToArray());
        Assert.AreEqual(result.BestValidationLoss.Value, Evaluation.MeanLoss(network, fixture.ValidationRows, null, 4, default), 1e-6);
    }

    [TestMethod]
    public void Accumulated_micro_batches_train_like_one_batch()
    {
        using var fixture = new TrainingFixture();
        LanguageModelOptions options = fixture.Options with { Model = TrainingFixture.Config };
        double[] Losses(MicroBatchSize micro)
        {
            using GptNetwork network = new(TrainingFixture.Config, GptDevice.Cpu, TrainingFixture.Seed);
            return [.. new PretrainingLoop(TrainingFixture.Model(network), fixture.TrainingRows, null, options with { MicroBatchSize = micro }, TrainingFixture.Seed, null, fixture.Log.Add).Run(null).History.Select(static p => p.Loss)];
        }

        double[] whole = Losses(MicroBatchSize.WholeBatch), parts = Losses(1);
        // The same sums in another order: float32 rounding, amplified by thirty updates.
        for (int i = 0; i < whole.Length; i++) Assert.AreEqual(whole[i], parts[i], 1e-4, $"step {i + 1}");
    }

    [TestMethod]
    public void Gradients_that_are_not_finite_are_skipped_and_then_stop_the_run()
    {
        using var fixture = new TrainingFixture();
        LanguageModelOptions options = fixture.Options with { Evaluation = fixture.Options.Evaluation with { Interval = 0 }, Run = fixture.Options.Run with { MaxSkippedUpdates = 2 } };
        using GptNetwork network = new(TrainingFixture.Config, GptDevice.Cpu, TrainingFixture.Seed);
        using (torch.no_grad())
        using (torch.NewDisposeScope())
        {
            network.Parameters.ViewOf(network.Parameters.Master, "wpe.weight").fill_(float.NaN);
        }

        var loop = new PretrainingLoop(TrainingFixture.Model(network), fixture.TrainingRows, null, options, TrainingFixture.Seed, null, fixture.Log.Add);
        var error = Assert.ThrowsExactly<TrainingDivergedException>(() => loop.Run(null));
        Assert.AreEqual(3, error.Step);
        Assert.AreNotEqual(0, error.Documents.Count);
        Assert.IsNull(error.LastCheckpoint);
        Assert.AreEqual(3, fixture.Log.Count(static line => line.Contains("skipped", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void Training_leaves_no_tensor_behind_over_500_steps()
    {
        using var fixture = new TrainingFixture();
        LanguageModelOptions options = fixture.Options with { MaxSteps = 500, Evaluation = fixture.Options.Evaluation with { Interval = 100 }, Run = fixture.Options.Run with { CheckpointInterval = 0 } };
        long before = torch.Tensor.TotalCount;
        long early = 0, late = 0, earlyMemory = 0, lateMemory = 0;
        fixture.Train(options with
        {
            Run = options.Run with { Progress = p =>
            {
                if (p.Step == 100) (early, earlyMemory) = (torch.Tensor.TotalCount, Environment.WorkingSet);
                if (p.Step == 500) (late, lateMemory) = (torch.Tensor.TotalCount, Environment.WorkingSet);
            } },
        });
        Assert.AreEqual(early, late);
        Assert.AreEqual(before, torch.Tensor.TotalCount);
        // A tensor of activations leaked each step would be (4·16)×(4·32) floats × 400 steps = 13 MB in each of several places.
        Assert.IsLessThan(40e6, lateMemory - earlyMemory);
    }

    [TestMethod]
    public void The_loss_curve_is_a_picture_of_every_report()
    {
        using var fixture = new TrainingFixture();
        (_, PretrainingResult result) = fixture.Train(fixture.Options, toFolder: true);
        XDocument svg = XDocument.Load(Path.Combine(fixture.Folder, "run", "loss.svg"));
        XNamespace ns = "http://www.w3.org/2000/svg";
        XElement[] lines = [.. svg.Descendants(ns + "polyline")];
        Assert.HasCount(2, lines);
        Assert.HasCount(result.History.Count, lines[0].Attribute("points")!.Value.Split(' '));
        Assert.HasCount(3, svg.Descendants(ns + "circle").ToArray());
        // The first point lies left of and above the last: the loss fell.
        double[] first = Point(0), last = Point(^1);
        Assert.IsLessThan(last[0], first[0]);
        Assert.IsLessThan(last[1], first[1]);

        double[] Point(Index index) => [.. lines[0].Attribute("points")!.Value.Split(' ')[index].Split(',').Select(static t => double.Parse(t, System.Globalization.CultureInfo.InvariantCulture))];
    }
}
