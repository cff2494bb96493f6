using Microsoft.ML;

namespace MLNet.Gpt.EndToEnd.Tests;

[TestClass]
public sealed class BadInputTests
{
    private static readonly MLContext Ml = new(seed: 1);

    [TestMethod]
    public void A_corpus_without_rows_or_without_text_is_refused()
    {
        var trainer = Ml.Gpt().Trainers.LanguageModel("Text", SmallModel.Options);
        Assert.ThrowsExactly<EmptyCorpusException>(() => trainer.Fit(Ml.Data.LoadFromEnumerable(Array.Empty<TextRow>())));
        var error = Assert.ThrowsExactly<EmptyCorpusException>(() => trainer.Fit(Ml.Data.LoadFromEnumerable([new TextRow(), new TextRow { Text = "  \n" }])));
        Assert.IsFalse(string.IsNullOrWhiteSpace(error.Message));
    }

    [TestMethod]
    public void A_corpus_too_small_for_one_row_is_refused_with_both_numbers()
    {
        var trainer = Ml.Gpt().Trainers.LanguageModel("Text", SmallModel.Options with { Evaluation = SmallModel.Options.Evaluation with { ValidationFraction = 0 } });
        var error = Assert.ThrowsExactly<EmptyCorpusException>(() => trainer.Fit(Ml.Data.LoadFromEnumerable([new TextRow { Text = "short" }])));
        StringAssert.Contains(error.Message, "49");
    }

    [TestMethod]
    public void A_document_without_text_is_left_out_and_counted()
    {
        var log = new List<string>();
        var ml = new MLContext(seed: 1);
        ml.Log += (_, e) => log.Add(e.Message);
        List<TextRow> rows = Texts.Sentences(100);
        rows.Insert(3, new TextRow());
        rows.Add(rows[0]);
        using GptLanguageModelTransformer model = ml.Gpt().Trainers.LanguageModel("Text", SmallModel.Options with { MaxSteps = 1, Evaluation = SmallModel.Options.Evaluation with { Interval = 0 } }).Fit(ml.Data.LoadFromEnumerable(rows));
        Assert.IsTrue(log.Any(static line => line.Contains("1 empty", StringComparison.Ordinal) && line.Contains("1 duplicate", StringComparison.Ordinal)), string.Join('\n', log));
    }

    [TestMethod]
    public void A_missing_column_and_one_of_another_type_are_named()
    {
        var trainer = Ml.Gpt().Trainers.LanguageModel("Body", SmallModel.Options);
        var missing = Assert.ThrowsExactly<ColumnMismatchException>(() => trainer.Fit(Ml.Data.LoadFromEnumerable(Texts.Sentences(2))));
        Assert.AreEqual("Body", missing.ColumnName);
        StringAssert.Contains(missing.Found, "Text");
        var number = Assert.ThrowsExactly<ColumnMismatchException>(() => trainer.Fit(Ml.Data.LoadFromEnumerable([new NumberRow { Body = 3 }])));
        Assert.AreEqual("Single", number.Found);
    }

    [TestMethod]
    public void A_folder_that_holds_a_run_is_refused_and_left_alone()
    {
        using var folder = new TemporaryFolder();
        LanguageModelOptions options = SmallModel.Options with { MaxSteps = 1, Evaluation = SmallModel.Options.Evaluation with { Interval = 0 }, Run = SmallModel.Options.Run with { Folder = folder["run"] } };
        SmallModel.Train(Ml, options).Dispose();
        DateTime before = File.GetLastWriteTimeUtc(Path.Combine(RunCheckpoints.FindLast(folder["run"])!, "model.safetensors"));
        Assert.ThrowsExactly<RunExistsException>(() => SmallModel.Train(Ml, options));
        Assert.AreEqual(before, File.GetLastWriteTimeUtc(Path.Combine(RunCheckpoints.FindLast(folder["run"])!, "model.safetensors")));
    }

    [TestMethod]
    public void An_unwritable_folder_is_named()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["file"], "not a folder");
        var error = Assert.ThrowsExactly<FolderNotWritableException>(() => SmallModel.Train(Ml, SmallModel.Options with { Run = SmallModel.Options.Run with { Folder = Path.Combine(folder["file"], "run") } }));
        StringAssert.StartsWith(error.Path, folder["file"]);
        Assert.AreEqual("not a folder", File.ReadAllText(folder["file"]));
    }

    [TestMethod]
    public void A_GPU_that_is_not_there_is_an_error_or_with_fallback_the_CPU()
    {
        if (File.Exists("/proc/driver/nvidia/version")) Assert.Inconclusive("This machine has an NVIDIA GPU.");
        var ml = new MLContext(seed: 1) { GpuDeviceId = 0, FallbackToCpu = false };
        LanguageModelOptions options = SmallModel.Options with { MaxSteps = 1, Evaluation = SmallModel.Options.Evaluation with { Interval = 0 }, Run = SmallModel.Options.Run with { Device = null } };
        var error = Assert.ThrowsExactly<DeviceUnavailableException>(() => SmallModel.Train(ml, options));
        Assert.AreEqual(GptDevice.Cuda(0), error.Device);
        Assert.ThrowsExactly<DeviceUnavailableException>(() => SmallModel.Train(Ml, options with { Run = options.Run with { Device = GptDevice.Cuda(1) } }));
        var log = new List<string>();
        ml.FallbackToCpu = true;
        ml.Log += (_, e) => log.Add(e.Message);
        using GptLanguageModelTransformer model = SmallModel.Train(ml, options);
        Assert.AreEqual(GptDevice.Cpu, model.Model.Engine.Device);
        Assert.IsTrue(log.Any(static line => line.Contains("FallbackToCpu", StringComparison.Ordinal)), "falling back is said");
    }

    [TestMethod]
    public void Options_that_do_not_fit_together_are_refused_when_the_trainer_is_made()
    {
        Refused(static o => o with { MaxSteps = 0 });
        Refused(static o => o with { BatchSize = 0 });
        Refused(static o => o with { MicroBatchSize = 3 });
        Refused(static o => o with { MicroBatchSize = 0 });
        Refused(static o => o with { BatchSize = int.MaxValue });
        Refused(static o => o with { Run = o.Run with { KeepCheckpoints = 0 } });
        Refused(static o => o with { Run = o.Run with { AverageDecay = 1 } });
        Refused(static o => o with { Run = o.Run with { LossSpikeDeviations = double.NaN } });
        Refused(static o => o with { Run = o.Run with { PeakFlops = -1 } });
        Refused(static o => o with { Run = o.Run with { TensorBoard = true } });
        Refused(static o => o with { Stages = [new(10, 32, 8)] });
        Refused(static o => o with { Stages = [new(61, 24, 8)] });
        Refused(static o => o with { Stages = [new(0, 24, 8)] });
        Refused(static o => o with { Stages = [new(10, 24, 6)], MicroBatchSize = 4 });
        Refused(static o => o with { Evaluation = o.Evaluation with { ValidationFraction = 1 } });
        Refused(static o => o with { Evaluation = o.Evaluation with { MaxRows = 0 } });
        Refused(static o => o with { ResidualInitializerScale = -1 });
        Refused(static o => o with { Run = o.Run with { LogInterval = 0 } });
        Refused(static o => o with { Run = o.Run with { Resume = true } });
        Refused(static o => o with { Model = o.Model with { EmbeddingSize = 50 } });
        Refused(static o => o with { Tokenizer = GptTokenizer.FromCharacters(["abcdef"]), Model = o.Model with { VocabularySize = 4 } });

        static void Refused(Func<LanguageModelOptions, LanguageModelOptions> change)
        {
            try
            {
                _ = Ml.Gpt().Trainers.LanguageModel("Text", change(SmallModel.Options));
            }
            catch (ArgumentException)
            {
                return;
            }

            Assert.Fail("the options were taken");
        }
    }

    [TestMethod]
    public void Cancelling_still_gives_a_model()
    {
        using var cancel = new CancellationTokenSource();
        LanguageModelOptions options = SmallModel.Options with { MaxSteps = 1_000_000, Run = SmallModel.Options.Run with { LogInterval = 1, CancellationToken = cancel.Token, Progress = p => { if (p.Step == 5) cancel.Cancel(); } } };
        using GptLanguageModelTransformer model = SmallModel.Train(Ml, options);
        Assert.IsTrue(model.Training.Cancelled);
        Assert.AreEqual(5, model.Training.Steps);
        Assert.IsGreaterThan(0, model.Model.Generate("the", new() { MaxNewTokens = 5, Temperature = 0, MinNewTokens = 5 }).Length);
    }

    private sealed class NumberRow
    {
        public float Body { get; set; }
    }
}
