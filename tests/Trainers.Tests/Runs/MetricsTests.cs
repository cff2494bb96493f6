using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace MLNet.Gpt.Trainers.Tests.Runs;

[TestClass]
public sealed class MetricsTests
{
    [TestMethod]
    public void Reports_tell_what_the_model_reaches_of_the_peak_and_how_much_memory_was_used()
    {
        using var fixture = new TrainingFixture();
        PretrainingResult result = fixture.Train(fixture.Options with { Run = fixture.Options.Run with { PeakFlops = 1e9 } }, toFolder: true).Result;
        foreach (TrainingProgress p in result.History)
        {
            // FLOP/s over the peak: tokens/s × 6N + 12·L·C·T.
            Assert.AreEqual(p.TokensPerSecond * TrainingFixture.Config.FlopsPerToken / 1e9, p.ModelFlopsUtilization!.Value, 1e-9 * p.ModelFlopsUtilization.Value);
            Assert.IsGreaterThan(10L << 20, p.PeakMemoryBytes!.Value);
            Assert.IsNull(p.StepTimes);
        }

        JsonElement line = JsonDocument.Parse(File.ReadLines(Path.Combine(fixture.Run, "metrics.jsonl")).First()).RootElement;
        Assert.AreEqual(result.History[0].ModelFlopsUtilization, line.GetProperty("model_flops_utilization").GetDouble());
        Assert.AreEqual(result.History[0].PeakMemoryBytes, line.GetProperty("peak_memory_bytes").GetInt64());
        Assert.IsNull(fixture.Train(fixture.Options with { MaxSteps = 1, Run = fixture.Options.Run with { PeakFlops = 0 } }).Result.History[0].ModelFlopsUtilization);
        Assert.IsGreaterThan(1e8, DevicePeak.Measure(GptDevice.Cpu, GptPrecision.Float32));
    }

    [TestMethod]
    public void A_measured_peak_that_the_run_exceeds_is_measured_once_more()
    {
        // As if other work had had the processor: 1 FLOP/s. The model's use would be some 10^11 %.
        double peak = DevicePeak.Measure(GptDevice.Cpu, GptPrecision.Float32);
        DevicePeak.Set(GptDevice.Cpu, GptPrecision.Float32, 1);
        try
        {
            using var fixture = new TrainingFixture();
            PretrainingResult result = fixture.Train(fixture.Options with { MaxSteps = 3, Run = fixture.Options.Run with { PeakFlops = null } }).Result;
            foreach (TrainingProgress p in result.History) Assert.IsTrue(p.ModelFlopsUtilization is > 0 and <= 1, p.ToString());
        }
        finally
        {
            DevicePeak.Set(GptDevice.Cpu, GptPrecision.Float32, peak);
        }
    }

    [TestMethod]
    public void A_report_over_stages_of_unlike_rows_weighs_their_tokens_alike()
    {
        // 2 updates of 4 rows of 8 tokens, then one of 4 rows of 16.
        using var fixture = new TrainingFixture();
        LanguageModelOptions options = fixture.Options with { MaxSteps = 3, Stages = [new(2, 8, 4)], Evaluation = fixture.Options.Evaluation with { Interval = 0 } };
        double[] losses = [.. fixture.Train(options).Result.History.Select(static report => report.Loss)];
        TrainingProgress whole = fixture.Train(options with { Run = options.Run with { LogInterval = 3 } }).Result.History.Single();
        Assert.AreEqual(((losses[0] * 32) + (losses[1] * 32) + (losses[2] * 64)) / 128, whole.Loss, 1e-9);
        Assert.AreEqual(3, whole.Updates);
    }

    [TestMethod]
    public void A_first_report_that_a_full_disk_tore_is_made_again_on_resuming()
    {
        using var fixture = new TrainingFixture();
        using var cancel = new CancellationTokenSource();
        LanguageModelOptions options = fixture.Options with { MaxSteps = 20, Evaluation = fixture.Options.Evaluation with { Interval = 0 }, Run = fixture.Options.Run with { LogInterval = 10 } };
        PretrainingResult whole = fixture.Train(options).Result;
        fixture.Train(options with { Run = options.Run with { CancellationToken = cancel.Token } }, toFolder: true, stepStarting: step => { if (step == 7) cancel.Cancel(); });
        string path = Path.Combine(fixture.Run, "metrics.jsonl");
        File.WriteAllText(path, File.ReadAllText(path)[..20]);
        PretrainingResult rest = fixture.Train(options with { Run = options.Run with { Resume = true } }, toFolder: true).Result;
        CollectionAssert.AreEqual(whole.History.Select(static report => (report.Step, report.Loss)).ToArray(), rest.History.Select(static report => (report.Step, report.Loss)).ToArray());
        Assert.HasCount(2, File.ReadAllLines(path));
    }

    [TestMethod]
    public void Bits_per_byte_are_the_losses_in_bits_over_the_bytes_of_the_text()
    {
        // "aé" in characters: 1 and 2 bytes; the end of text has none. Rows of 2: "a é | end a", targets é end, a é: 2 + 0 + 1 + 2 bytes for 4 tokens.
        using var fixture = new TrainingFixture();
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["aé"]);
        string path = Path.Combine(fixture.Folder, "two.tokens");
        using (var writer = new TokenFileWriter(path, tokenizer))
        {
            for (int i = 0; i < 2; i++) writer.Append(tokenizer.Encode("aé"), 3);
            writer.Complete();
        }

        using TokenFile file = TokenFile.Open(path);
        Assert.AreEqual(5 / 4.0, Evaluation.BytesPerToken(new PackedRows(file, 2), null, tokenizer));
        Assert.AreEqual(1, Evaluation.BytesPerToken(new PackedRows(file, 2), 1, tokenizer));
        Assert.AreEqual(1, Evaluation.BytesPerToken(new PackedRows(file, 3), 1, tokenizer));
        using GptNetwork network = new(TrainingFixture.Config, GptDevice.Cpu, TrainingFixture.Seed);
        PretrainingResult result = new PretrainingLoop(TrainingFixture.Model(network), fixture.TrainingRows, fixture.ValidationRows, fixture.Options with { MaxSteps = 2 }, 1, null, fixture.Log.Add) { BytesPerToken = 1.25 }.Run(null);
        Assert.IsNull(result.History[0].BitsPerByte);
        Assert.AreEqual(result.ValidationLoss!.Value / Math.Log(2) / 1.25, result.History[1].BitsPerByte!.Value, 1e-12);
        StringAssert.Contains(result.History[1].ToString(), "bits/byte");
    }

    [TestMethod]
    public void A_line_tells_the_accuracy_on_the_validation_set_from_a_metric_of_that_name()
    {
        TrainingProgress progress = new(3, 10, 192, 0.7, 1e-3, 0.5, 1_000, 0.68, TimeSpan.FromSeconds(3), TimeSpan.Zero)
        {
            ValidationAccuracy = 0.583, Metrics = new Dictionary<string, double> { ["accuracy"] = 0.41 },
        };
        Assert.AreEqual("step 3/10  loss 0.7000  validation 0.6800  validation accuracy 58.3 %  accuracy 0.41  lr 1.00E-003  grad 0.50  1,000 tokens/s  0:00 left", progress.ToString());
    }

    [TestMethod]
    public void The_parts_of_an_update_add_up_to_it()
    {
        using var fixture = new TrainingFixture();
        PretrainingResult result = fixture.Train(fixture.Options with { MicroBatchSize = 2, Evaluation = fixture.Options.Evaluation with { Interval = 0 }, Run = fixture.Options.Run with { MeasureStepTimes = true, LogInterval = 10 } }).Result;
        foreach (TrainingProgress p in result.History)
        {
            StepTimes t = p.StepTimes!;
            foreach (double part in (double[])[t.Forward, t.Backward, t.Optimizer, t.Data, t.Rest]) Assert.IsGreaterThan(0, part);
            Assert.AreEqual(t.Total, t.Forward + t.Backward + t.Optimizer + t.Data + t.Rest, 1e-9);
            // The clock of TokensPerSecond runs around the same updates.
            Assert.AreEqual(4 * 16 * 1000 / p.TokensPerSecond, t.Total, 0.2 * t.Total);
        }
    }

    [TestMethod]
    public void An_evaluation_cut_short_by_cancelling_is_made_up_for_on_resuming()
    {
        using var untouched = new TrainingFixture();
        PretrainingResult whole = untouched.Train(untouched.Options with { Run = untouched.Options.Run with { LogInterval = 5 } }, toFolder: true).Result;
        using var fixture = new TrainingFixture();
        using var cancel = new CancellationTokenSource();
        LanguageModelOptions options = fixture.Options with { Run = fixture.Options.Run with { LogInterval = 5 } };
        // Cancelled within the tenth update, whose evaluation then ends before its first row.
        PretrainingResult part = fixture.Train(options with { Run = options.Run with { CancellationToken = cancel.Token } }, toFolder: true, stepStarting: step => { if (step == 9) cancel.Cancel(); }).Result;
        Assert.IsTrue(part.Cancelled);
        Assert.AreEqual(10, part.Steps);
        Assert.IsNull(part.History[^1].ValidationLoss);
        PretrainingResult rest = fixture.Train(options with { Run = options.Run with { Resume = true } }, toFolder: true).Result;
        CollectionAssert.AreEqual(whole.History.Select(static p => (p.Step, p.Loss, p.ValidationLoss)).ToArray(), rest.History.Select(static p => (p.Step, p.Loss, p.ValidationLoss)).ToArray());
        Assert.IsNotNull(rest.History.Single(static p => p.Step == 10).ValidationLoss);
    }

    [TestMethod]
    public void TensorBoards_event_files_hold_every_report_as_another_reader_decodes_them()
    {
        using var fixture = new TrainingFixture();
        using var cancel = new CancellationTokenSource();
        LanguageModelOptions options = fixture.Options with { Run = fixture.Options.Run with { TensorBoard = true } };
        fixture.Train(options with { Run = options.Run with { CancellationToken = cancel.Token, Progress = p => { if (p.Step == 9) cancel.Cancel(); } } }, toFolder: true);
        PretrainingResult result = fixture.Train(options with { Run = options.Run with { Resume = true } }, toFolder: true).Result;
        string[] files = [.. Directory.EnumerateFiles(Path.Combine(fixture.Run, "tensorboard")).OrderBy(static f => new FileInfo(f).CreationTimeUtc)];
        Assert.HasCount(2, files);
        var scalars = new List<(int Step, string Tag, float Value)>();
        foreach (string file in files)
        {
            StringAssert.StartsWith(Path.GetFileName(file), "events.out.tfevents.");
            JsonElement events = Decode(file);
            Assert.AreEqual("brain.Event:2", events[0].GetProperty("file_version").GetString());
            Assert.AreEqual(1, events[1].GetProperty("session_status").GetInt32());
            foreach (JsonElement e in events.EnumerateArray().Skip(2))
            {
                foreach (JsonProperty value in e.GetProperty("values").EnumerateObject()) scalars.Add((e.GetProperty("step").GetInt32(), value.Name, value.Value.GetSingle()));
            }
        }

        CollectionAssert.AreEqual(result.History.Select(static p => (p.Step, (float)p.Loss)).ToArray(), scalars.Where(static s => s.Tag == "loss/training").Select(static s => (s.Step, s.Value)).ToArray());
        CollectionAssert.AreEqual(
            result.History.Where(static p => p.ValidationLoss is not null).Select(static p => (p.Step, (float)p.ValidationLoss!.Value)).ToArray(),
            scalars.Where(static s => s.Tag == "loss/validation").Select(static s => (s.Step, s.Value)).ToArray());
    }

    private static JsonElement Decode(string file)
    {
        var start = new ProcessStartInfo("python3") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "reference", "read_tfevents.py"));
        start.ArgumentList.Add(file);
        try
        {
            using Process process = Process.Start(start)!;
            string output = process.StandardOutput.ReadToEnd(), error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.AreEqual(0, process.ExitCode, error);
            return JsonDocument.Parse(output).RootElement;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            Assert.Inconclusive(string.Create(CultureInfo.InvariantCulture, $"The other reader is a Python script, and python3 can't be started: {e.Message}"));
            throw;
        }
    }
}
