using Microsoft.ML;

namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>Options of a run, as Fit honours them.</summary>
[TestClass]
public sealed class TrainingOptionsTests
{
    private static readonly LanguageModelOptions Options = SmallModel.Options with { MaxSteps = 20, Evaluation = SmallModel.Options.Evaluation with { Interval = 10 }, Run = SmallModel.Options.Run with { LogInterval = 1 } };

    [TestMethod]
    public void A_run_with_searched_micro_batches_stages_and_averages_resumes_to_the_same_losses_and_model()
    {
        using var folder = new TemporaryFolder();
        LanguageModelOptions options = Options with { MicroBatchSize = MicroBatchSize.Auto, Stages = [new(6, 12, 16), new(6, 24, 16)], Run = Options.Run with { AverageDecay = 0.9, Seed = 3 } };
        using GptLanguageModelTransformer whole = SmallModel.Train(new MLContext(), options with { Run = options.Run with { Folder = folder["whole"] } });
        foreach (int stop in (int[])[6, 9])
        {
            string run = folder[$"run-{stop}"];
            using var cancel = new CancellationTokenSource();
            SmallModel.Train(new MLContext(), options with { Run = options.Run with { Folder = run, CancellationToken = cancel.Token, Progress = p => { if (p.Step == stop) cancel.Cancel(); } } }).Dispose();
            using GptLanguageModelTransformer rest = SmallModel.Train(new MLContext(), options with { Run = options.Run with { Folder = run, Resume = true } });
            CollectionAssert.AreEqual(whole.Training.History.Select(static p => (p.Loss, p.ValidationLoss)).ToArray(), rest.Training.History.Select(static p => (p.Loss, p.ValidationLoss)).ToArray());
            Assert.AreEqual(whole.Model.Generate("the cat", new() { Temperature = 0 }), rest.Model.Generate("the cat", new() { Temperature = 0 }));
        }
    }

    [TestMethod]
    public void A_resumed_run_takes_the_micro_batch_that_it_began_with_whatever_fits_now()
    {
        using var folder = new TemporaryFolder();
        using var cancel = new CancellationTokenSource();
        LanguageModelOptions options = Options with { Run = Options.Run with { Folder = folder["run"], Seed = 3 } };
        SmallModel.Train(new MLContext(), options with { MicroBatchSize = 2, Run = options.Run with { CancellationToken = cancel.Token, Progress = p => { if (p.Step == 7) cancel.Cancel(); } } }).Dispose();
        using GptLanguageModelTransformer rest = SmallModel.Train(new MLContext(), options with { MicroBatchSize = MicroBatchSize.Auto, Run = options.Run with { Resume = true } });
        using GptLanguageModelTransformer whole = SmallModel.Train(new MLContext(), options with { MicroBatchSize = 2, Run = options.Run with { Folder = null } });
        CollectionAssert.AreEqual(whole.Training.History.Select(static p => p.Loss).ToArray(), rest.Training.History.Select(static p => p.Loss).ToArray());
    }

    [TestMethod]
    public void Resuming_a_run_that_was_killed_before_its_first_checkpoint_begins_it_anew()
    {
        using var folder = new TemporaryFolder();
        using GptLanguageModelTransformer whole = SmallModel.Train(new MLContext(seed: 1), Options);
        Directory.CreateDirectory(folder["run"]);
        File.WriteAllText(Path.Combine(folder["run"], "metrics.jsonl"), "{\"step\":1,\"max_st");
        using GptLanguageModelTransformer run = SmallModel.Train(new MLContext(seed: 1), Options with { Run = Options.Run with { Folder = folder["run"], Resume = true } });
        CollectionAssert.AreEqual(whole.Training.History.Select(static p => p.Loss).ToArray(), run.Training.History.Select(static p => p.Loss).ToArray());
        Assert.HasCount(run.Training.History.Count, File.ReadAllLines(Path.Combine(folder["run"], "metrics.jsonl")));
    }

    [TestMethod]
    public void Two_runs_do_not_share_a_folder()
    {
        using var folder = new TemporaryFolder();
        int refused = 0;
        LanguageModelOptions options = Options with { MaxSteps = 2, Evaluation = Options.Evaluation with { Interval = 0 }, Run = Options.Run with { Folder = folder["run"] } };
        SmallModel.Train(new MLContext(seed: 1), options with
        {
            Run = options.Run with { Progress = _ =>
            {
                Assert.ThrowsExactly<ConcurrentWriteException>(() => SmallModel.Train(new MLContext(seed: 1), options with { Run = options.Run with { Resume = true } }));
                refused++;
            } },
        }).Dispose();
        Assert.AreEqual(2, refused);
        SmallModel.Train(new MLContext(seed: 1), options with { MaxSteps = 2, Run = options.Run with { Resume = true } }).Dispose();
    }

    [TestMethod]
    public void Bits_per_byte_follow_from_the_loss_and_the_text()
    {
        using GptLanguageModelTransformer model = SmallModel.Train(new MLContext(seed: 1), Options with { Tokenizer = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ,.!?'-éë日本🎈\n"]), Model = Options.Model with { VocabularySize = 90 } });
        TrainingProgress last = model.Training.History[^1];
        // A token is a character of one byte nearly always, and one in some fifty ends its text: bits per byte lie a little above the loss in bits.
        double bits = last.ValidationLoss!.Value / Math.Log(2);
        Assert.AreEqual(1, last.BitsPerByte!.Value / bits, 0.05);
        Assert.AreNotEqual(bits, last.BitsPerByte.Value);
        Assert.IsGreaterThan(0, last.ModelFlopsUtilization!.Value);
    }
}
