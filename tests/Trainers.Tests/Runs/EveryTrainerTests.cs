using System.Runtime.InteropServices;
using System.Text.Json;
using TorchSharp;

namespace MLNet.Gpt.Trainers.Tests.Runs;

/// <summary>What holds for a run of every trainer.</summary>
[TestClass]
public sealed class EveryTrainerTests
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mlnet-gpt-every-").FullName;

    public static IEnumerable<object[]> Kinds => EveryTrainer.Kinds;

    private string Folder => Path.Combine(_folder, "run");

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void A_cancelled_run_with_averages_and_blocks_computed_again_resumes_to_the_same_losses_and_weights(string kind)
    {
        RunOptions options = EveryTrainer.Run with { AverageDecay = 0.9, ActivationCheckpointing = true };
        EveryTrainer.Outcome whole = EveryTrainer.Fit(kind, options);
        Assert.AreEqual(EveryTrainer.Steps, whole.Steps);
        Assert.IsNull(whole.LastCheckpoint);
        foreach (int stop in (int[])[3, 22])
        {
            using var cancel = new CancellationTokenSource();
            string folder = Path.Combine(_folder, $"stopped-{stop}");

            // Between two reports: at the first report after the update before.
            EveryTrainer.Outcome part = EveryTrainer.Fit(kind, options with { Folder = folder, LogInterval = stop, CancellationToken = cancel.Token, Progress = p => { if (p.Step == stop) cancel.Cancel(); } });
            Assert.IsTrue(part.Cancelled);
            Assert.AreEqual(stop, part.Steps);
            StringAssert.EndsWith(part.LastCheckpoint, $"step-{stop:D8}");
            EveryTrainer.Outcome rest = EveryTrainer.Fit(kind, options with { Folder = folder, Resume = true, LogInterval = stop });
            EveryTrainer.Outcome same = EveryTrainer.Fit(kind, options with { LogInterval = stop });
            CollectionAssert.AreEqual(same.Losses, rest.Losses);
            CollectionAssert.AreEqual(whole.Weights, rest.Weights);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void Blocks_computed_again_give_the_same_losses_and_weights_with_dropout_too(string kind)
    {
        EveryTrainer.Outcome kept = EveryTrainer.Fit(kind, EveryTrainer.Run), again = EveryTrainer.Fit(kind, EveryTrainer.Run with { ActivationCheckpointing = true });
        CollectionAssert.AreEqual(kept.Losses, again.Losses);
        CollectionAssert.AreEqual(kept.Weights, again.Weights);
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void Dropout_acts_while_a_trainer_trains(string kind)
    {
        if (EveryTrainer.FreezeOf(kind) != FrozenWeights.None) return; // nothing of the network is in training there
        RunOptions options = EveryTrainer.Run with { LogInterval = 1 };
        TrainingProgress dropped = EveryTrainer.Fit(kind, options with { Dropout = DropoutOptions.Everywhere(0.5f) }).History[0], plain = EveryTrainer.Fit(kind, options with { Dropout = DropoutOptions.None }).History[0];
        Assert.AreEqual((1, 1), (dropped.Step, plain.Step));
        Assert.AreNotEqual(plain.Loss, dropped.Loss, 1e-4);
    }

    [TestMethod]
    public async Task Runs_beside_each_other_end_as_each_does_alone()
    {
        string[] kinds = ["fine-tuning", "adapter", "task", "ppo"];
        RunOptions options = EveryTrainer.Run with { ActivationCheckpointing = true };
        EveryTrainer.Outcome[] alone = [.. kinds.Select(kind => EveryTrainer.Fit(kind, options))];
        int threads = torch.get_num_threads();
        try
        {
            EveryTrainer.Outcome[] beside = await Task.WhenAll(kinds.Select(kind => Task.Run(() => EveryTrainer.Fit(kind, options))));
            for (int i = 0; i < kinds.Length; i++)
            {
                CollectionAssert.AreEqual(alone[i].Losses, beside[i].Losses, kinds[i]);
                CollectionAssert.AreEqual(alone[i].Weights, beside[i].Weights, kinds[i]);
            }
        }
        finally
        {
            torch.set_num_threads(threads);
        }
    }

    // What a GPU does without being waited for, done on a CPU: losses and norms are read where a report, an evaluation, a checkpoint or a rollout depends on them.
    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void Updates_that_are_known_later_train_alike_and_resume_to_the_same_losses_and_weights(string kind)
    {
        RunOptions options = EveryTrainer.Run with { LogInterval = 4, CheckpointInterval = 6, AverageDecay = 0.9, ImmediateUpdates = false };
        EveryTrainer.Outcome known = EveryTrainer.Fit(kind, options with { ImmediateUpdates = true }), later = EveryTrainer.Fit(kind, options);
        CollectionAssert.AreEqual(known.History.Select(static p => p.Step).ToArray(), later.History.Select(static p => p.Step).ToArray());

        // The same sums; scalars that one side computes in float64 the other multiplies in as float32. A policy draws from what it has learnt.
        for (int i = 0; i < known.History.Count && !EveryTrainer.IsPolicy(kind); i++) Assert.AreEqual(known.History[i].Loss, later.History[i].Loss, 1e-3, $"step {known.History[i].Step}");

        using var cancel = new CancellationTokenSource();
        RunOptions inFolder = options with { Folder = Folder };
        Assert.IsTrue(EveryTrainer.Fit(kind, inFolder with { CancellationToken = cancel.Token, Progress = p => { if (p.Step == 20) cancel.Cancel(); } }).Cancelled);
        EveryTrainer.Outcome rest = EveryTrainer.Fit(kind, inFolder with { Resume = true });
        CollectionAssert.AreEqual(later.Losses, rest.Losses);
        CollectionAssert.AreEqual(later.Weights, rest.Weights);
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void Averages_are_returned_and_training_goes_on_with_the_weights(string kind)
    {
        EveryTrainer.Outcome plain = EveryTrainer.Fit(kind, EveryTrainer.Run), averaged = EveryTrainer.Fit(kind, EveryTrainer.Run with { AverageDecay = 0.9 });
        CollectionAssert.AreEqual(plain.History.Select(static p => p.Loss).ToArray(), averaged.History.Select(static p => p.Loss).ToArray());
        CollectionAssert.AreNotEqual(plain.Weights, averaged.Weights);
        Assert.AreNotEqual(plain.History.Last(static p => p.ValidationLoss is not null).ValidationLoss, averaged.History.Last(static p => p.ValidationLoss is not null).ValidationLoss);
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void The_folder_is_the_runs_alone_while_it_trains_and_its_own_afterwards(string kind)
    {
        int refused = 0;
        RunOptions options = EveryTrainer.Run with { Folder = Folder };
        using var cancel = new CancellationTokenSource();
        EveryTrainer.Fit(kind, options with
        {
            CancellationToken = cancel.Token,
            Progress = p =>
            {
                // Before the first checkpoint, which is step 3's, and after it.
                Assert.AreEqual(Folder, Assert.ThrowsExactly<ConcurrentWriteException>(() => EveryTrainer.Fit(kind, options with { Resume = true })).Path);
                Assert.ThrowsExactly<ConcurrentWriteException>(() => EveryTrainer.Fit(kind, options));
                if (p.Step < 4) return;
                Assert.IsNotNull(RunCheckpoints.FindLast(Folder));
                refused++;
                cancel.Cancel();
            },
        });
        Assert.AreEqual(1, refused);
        Assert.ThrowsExactly<RunExistsException>(() => EveryTrainer.Fit(kind, options));
        Assert.ThrowsExactly<ResumeMismatchException>(() => EveryTrainer.Fit(kind, options with { Resume = true, Seed = 8 }));
        Assert.AreEqual(EveryTrainer.Steps, EveryTrainer.Fit(kind, options with { Resume = true, Seed = null }).Steps, "the seed is the run's own");
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void Temporary_files_lie_where_the_context_wants_them_and_are_gone_afterwards(string kind)
    {
        string temporary = Directory.CreateDirectory(Path.Combine(_folder, "temporary")).FullName;
        using var cancel = new CancellationTokenSource();
        int found = 0;
        EveryTrainer.Fit(kind, EveryTrainer.Run with
        {
            CancellationToken = cancel.Token,
            Progress = _ =>
            {
                found = Directory.GetDirectories(temporary).Length;
                cancel.Cancel();
            },
        }, temporary: temporary);
        Assert.AreEqual(1, found);
        Assert.IsEmpty(Directory.EnumerateFileSystemEntries(temporary));
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void Too_little_memory_is_told_with_the_numbers_and_the_last_checkpoint(string kind)
    {
        var error = Assert.ThrowsExactly<TrainingOutOfMemoryException>(() => EveryTrainer.Fit(kind, EveryTrainer.Run with
        {
            Folder = Folder,
            Progress = static p => { if (p.Step == 8) throw new ExternalException("CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; …"); },
        }));
        Assert.AreEqual(2L << 30, error.RequestedBytes);
        Assert.AreEqual(RunCheckpoints.FindLast(Folder), error.LastCheckpoint);
        StringAssert.EndsWith(error.LastCheckpoint, "step-00000006");
        Assert.IsGreaterThan(0, error.MicroBatchSize);
        Assert.IsGreaterThan(0L, error.ActivationBytes);
        Assert.IsInstanceOfType<ExternalException>(error.InnerException);
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void A_full_disk_is_told_and_the_run_goes_on_from_the_last_whole_checkpoint(string kind)
    {
        EveryTrainer.Outcome whole = EveryTrainer.Fit(kind, EveryTrainer.Run with { Folder = Path.Combine(_folder, "whole") });
        long size = SizeOf(whole.LastCheckpoint!) + SizeOf(whole.BestCheckpoint!);

        // Room for the first checkpoint and the best, and most of a second one.
        Directory.CreateDirectory(Folder);
        string copy = Path.Combine(_folder, "copy");
        using (new SmallDisk(Folder, size + (long)(0.7 * SizeOf(whole.LastCheckpoint!)) + SizeOf(Path.Combine(_folder, "whole", "corpus"))))
        {
            var error = Assert.ThrowsExactly<DiskFullException>(() => EveryTrainer.Fit(kind, EveryTrainer.Run with { Folder = Folder }));
            Assert.IsFalse(error.Path.Contains(".writing", StringComparison.Ordinal), error.Path); // the checkpoint, not the hidden folder that is written
            Assert.IsNotNull(RunCheckpoints.FindLast(Folder));
            foreach (string file in Directory.EnumerateFiles(Folder, "*", SearchOption.AllDirectories))
            {
                string target = Path.Combine(copy, Path.GetRelativePath(Folder, file));
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.Copy(file, target);
            }
        }

        EveryTrainer.Outcome rest = EveryTrainer.Fit(kind, EveryTrainer.Run with { Folder = copy, Resume = true });
        CollectionAssert.AreEqual(whole.Losses, rest.Losses);
        CollectionAssert.AreEqual(whole.Weights, rest.Weights);

        // A file takes whole pages.
        static long SizeOf(string folder) => Directory.Exists(folder) ? new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(static f => (f.Length + 4_095) / 4_096 * 4_096) : 0;
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void A_searched_micro_batch_is_recorded_and_a_resumed_run_takes_it(string kind)
    {
        RunOptions options = EveryTrainer.Run with { Folder = Folder };
        using var cancel = new CancellationTokenSource();
        EveryTrainer.Fit(kind, options with { CancellationToken = cancel.Token, Progress = p => { if (p.Step == 4) cancel.Cancel(); } }, MicroBatchSize.Auto);

        // So small a model fits as a whole: as with 8 at once, and with a last batch of 8 bit for bit as with the whole.
        Assert.AreEqual("8", TrainingCheckpoint.Open(RunCheckpoints.FindLast(Folder)!).OptionOf(Fingerprint.MicroBatchSize));
        EveryTrainer.Outcome rest = EveryTrainer.Fit(kind, options with { Resume = true }, MicroBatchSize.Auto), whole = EveryTrainer.Fit(kind, EveryTrainer.Run, MicroBatchSize.WholeBatch);
        CollectionAssert.AreEqual(whole.Losses, rest.Losses);
        Assert.ThrowsExactly<ResumeMismatchException>(() => EveryTrainer.Fit(kind, options with { Resume = true }, 4));
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void Gradients_that_are_not_finite_stop_the_run_and_name_the_last_good_checkpoint(string kind)
    {
        // Weights of 1e37 overflow in the first product.
        var error = Assert.ThrowsExactly<TrainingDivergedException>(() => EveryTrainer.Fit(kind, EveryTrainer.Run with { Folder = Folder, MaxSkippedUpdates = 3 }, rate: 1e37));
        Assert.AreNotEqual(0, error.Documents.Count);
        Assert.AreEqual(RunCheckpoints.FindLast(Folder), error.LastCheckpoint);
        StringAssert.Matches(error.Message, new("not finite, (1 time|[2-9] times) in a row\\."));
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void A_warm_up_that_is_not_over_by_the_last_update_is_warned_of(string kind)
    {
        if (kind.StartsWith("task", StringComparison.Ordinal) || kind is "regression" or "choice") return;   // theirs is a share of the updates
        foreach (int warmup in (int[])[EveryTrainer.Steps, EveryTrainer.Steps - 1])
        {
            var warnings = new List<string>();
            using var cancel = new CancellationTokenSource();
            EveryTrainer.Fit(kind, EveryTrainer.Run with { CancellationToken = cancel.Token, Progress = _ => cancel.Cancel() }, warmup: warmup, log: e => { if (e.Kind == Microsoft.ML.Runtime.ChannelMessageKind.Warning) warnings.Add(e.Message); });
            // 40 of 41 steps up to 1e-3.
            if (warmup < EveryTrainer.Steps) Assert.IsEmpty(warnings);
            else StringAssert.Contains(warnings.Single(), "Optimizer.WarmupSteps is 40 and the run makes 40 updates: the learning rate rises to the last of them, to 0.000976 of 0.001.");
        }
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void A_token_cancelled_before_training_begins_is_an_exception_and_leaves_no_checkpoint(string kind)
    {
        Assert.ThrowsExactly<OperationCanceledException>(() => EveryTrainer.Fit(kind, EveryTrainer.Run with { Folder = Folder, CancellationToken = new(canceled: true) }));
        Assert.IsNull(RunCheckpoints.FindLast(Folder));
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void Every_sink_gets_every_report(string kind)
    {
        var heard = new List<TrainingProgress>();
        EveryTrainer.Outcome run = EveryTrainer.Fit(kind, EveryTrainer.Run with { Folder = Folder, TensorBoard = true, Progress = heard.Add });
        CollectionAssert.AreEqual(run.History.ToArray(), heard);
        CollectionAssert.AreEqual(Enumerable.Range(1, EveryTrainer.Steps).Where(static step => step % 2 == 0 || step % 7 == 0).ToArray(), heard.Select(static p => p.Step).ToArray());
        JsonElement[] lines = [.. File.ReadLines(Path.Combine(Folder, "metrics.jsonl")).Select(static line => JsonDocument.Parse(line).RootElement)];
        CollectionAssert.AreEqual(heard.Select(static p => (p.Step, p.Loss)).ToArray(), lines.Select(static line => (line.GetProperty("step").GetInt32(), line.GetProperty("loss").GetDouble())).ToArray());
        StringAssert.Contains(File.ReadAllText(Path.Combine(Folder, "loss.svg")), "<polyline");
        Assert.HasCount(1, Directory.GetFiles(Path.Combine(Folder, "tensorboard")));
        bool task = kind.StartsWith("task", StringComparison.Ordinal) || kind is "regression" or "choice", reward = kind.StartsWith("reward", StringComparison.Ordinal), pairs = reward || kind.StartsWith("preference", StringComparison.Ordinal);
        string? metric = reward ? "margin" : kind switch { "preference" or "preference-adapter" => "rewards/margins", "ppo" or "ppo-adapter" => "policy/approxkl_avg", "rloo" => "policy/approxkl_avg", "grpo" => "reward_std", _ => null };
        Assert.AreEqual(metric is not null, heard.All(static p => p.Metrics is not null));
        Assert.AreEqual(metric is not null, lines.All(static line => line.GetProperty("metrics").ValueKind == JsonValueKind.Object));
        if (metric is not null) CollectionAssert.AreEqual(heard.Select(p => p.Metrics![metric]).ToArray(), lines.Select(line => line.GetProperty("metrics").GetProperty(metric).GetDouble()).ToArray());
        Assert.AreEqual(task && EveryTrainer.FreezeOf(kind) == FrozenWeights.None, heard.All(static p => p.AuxiliaryLoss is not null && p.Perplexity is null));
        Assert.AreEqual(kind != "pretraining", heard.All(static p => p.ExamplesPerSecond > 0));
        Assert.AreEqual(pairs || (task && kind != "regression"), heard.Any(static p => p.ValidationAccuracy is not null));
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void A_run_leaves_no_tensor_behind(string kind)
    {
        RunOptions options = EveryTrainer.Run with { Folder = Folder, AverageDecay = 0.9, ActivationCheckpointing = true, MeasureStepTimes = true };
        EveryTrainer.Fit(kind, options);
        Directory.Delete(Folder, recursive: true);
        long before = torch.Tensor.TotalCount;
        EveryTrainer.Fit(kind, options);
        Assert.AreEqual(before, torch.Tensor.TotalCount);
    }
}
