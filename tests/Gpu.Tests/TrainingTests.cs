using Microsoft.ML;

namespace MLNet.Gpt.Gpu.Tests;

[TestClass]
[TestCategory("Gpu")]
public sealed class TrainingTests
{
    private static readonly string[] Words = ["the", "token", "stream", "is", "read", "by", "a", "small", "model", "again", "and", "slowly"];

    [TestMethod]
    public void Training_in_bfloat16_follows_training_in_float32()
    {
        GptDevice device = Gpu.Require();
        using GptLanguageModelTransformer half = Fit(device, GptPrecision.BFloat16), full = Fit(device, GptPrecision.Float32);

        // 60 updates from ln 60 ≈ 4.1 or so; bfloat16 moves the losses of such a run by a few thousandths.
        Assert.IsTrue(full.Training.TrainingLoss < 2.5, $"{full.Training.TrainingLoss}");
        Assert.AreEqual(full.Training.TrainingLoss, half.Training.TrainingLoss, 0.05);
        Assert.AreEqual(0, half.Training.SkippedUpdates);
    }

    [TestMethod]
    public void A_GPU_trains_to_the_losses_of_the_CPU()
    {
        GptDevice device = Gpu.Require();
        using GptLanguageModelTransformer gpu = Fit(device, GptPrecision.Float32), cpu = Fit(GptDevice.Cpu, GptPrecision.Float32);
        double[] expected = Losses(cpu), found = Losses(gpu);

        // The first losses differ by rounding alone; AdamW's division by small moments lets the rounding grow over the run.
        for (int i = 0; i < 5; i++) Assert.AreEqual(expected[i], found[i], 1e-4, $"report {i}");
        Assert.AreEqual(expected[^1], found[^1], 0.02);
    }

    [TestMethod]
    public void TF32_trains_to_nearly_the_same_loss()
    {
        GptDevice device = Gpu.Require();
        using GptLanguageModelTransformer fast = Fit(device, GptPrecision.Float32, o => o with { Run = o.Run with { AllowTf32 = true } }), exact = Fit(device, GptPrecision.Float32);
        Assert.AreEqual(exact.Training.TrainingLoss, fast.Training.TrainingLoss, 0.02);
        Assert.IsFalse(TorchSharp.torch.backends.cuda.matmul.allow_tf32, "the setting was to be put back");
    }

    [TestMethod]
    public void A_resumed_run_ends_where_an_uninterrupted_one_does()
    {
        GptDevice device = Gpu.Require();
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-gpu-").FullName;
        try
        {
            using var stop = new CancellationTokenSource();
            using GptLanguageModelTransformer whole = Fit(device, GptPrecision.BFloat16);
            using (Fit(device, GptPrecision.BFloat16, o => o with { Run = o.Run with { Folder = folder, CancellationToken = stop.Token, Progress = p => { if (p.Step == 20) stop.Cancel(); } } }))
            {
            }

            using GptLanguageModelTransformer resumed = Fit(device, GptPrecision.BFloat16, o => o with { Run = o.Run with { Folder = folder, Resume = true } });
            Assert.AreEqual(whole.Training.Steps, resumed.Training.Steps);

            // Sums of atomics on a GPU (index_select's backward) come in another order each time.
            Assert.AreEqual(whole.Training.TrainingLoss, resumed.Training.TrainingLoss, 0.02);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public void Generation_on_a_GPU_writes_what_the_CPU_writes()
    {
        GptDevice device = Gpu.Require();
        string folder = Directory.CreateTempSubdirectory("mlnet-gpt-gpu-").FullName;
        try
        {
            using GptLanguageModelTransformer trained = Fit(device, GptPrecision.Float32);
            trained.Model.SaveCheckpoint(folder);
            using GptModel cpu = GptModel.FromCheckpoint(folder, GptDevice.Cpu), gpu = GptModel.FromCheckpoint(folder, device);
            string[] prompts = ["the token", "a small model", "read"];
            var greedy = new GenerateTextOptions { MaxNewTokens = 24, Temperature = 0 };
            CollectionAssert.AreEqual(cpu.Generate(prompts, greedy).Select(static g => g.Text).ToArray(), gpu.Generate(prompts, greedy).Select(static g => g.Text).ToArray());
            Assert.AreEqual(cpu.Score("the token stream is read").LogLikelihood, gpu.Score("the token stream is read").LogLikelihood, 1e-3);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static double[] Losses(GptLanguageModelTransformer model) => [.. model.Training.History.Select(static p => p.Loss)];

    private static GptLanguageModelTransformer Fit(GptDevice device, GptPrecision precision, Func<LanguageModelOptions, LanguageModelOptions>? change = null)
    {
        var random = new Random(4);
        Row[] texts = [.. Enumerable.Range(0, 300).Select(_ => new Row(string.Join(' ', Enumerable.Range(0, 12).Select(_ => Words[random.Next(Words.Length)]))))];
        var options = new LanguageModelOptions
        {
            Model = new GptConfig { VocabularySize = 64, ContextLength = 64, EmbeddingSize = 64, LayerCount = 2, HeadCount = 2 },
            Tokenizer = GptTokenizer.FromCharacters(texts.Select(static t => t.Text)),
            MaxSteps = 60,
            BatchSize = 8,
            MicroBatchSize = 4,
            Optimizer = new() { LearningRate = 3e-3, WarmupSteps = 5 },
            Evaluation = new() { Interval = 0 },
            Run = new() { LogInterval = 1, Precision = precision, Device = device, Seed = 9 },
        };
        var ml = new MLContext(1);
        return ml.Gpt().Trainers.LanguageModel("Text", change?.Invoke(options) ?? options).Fit(ml.Data.LoadFromEnumerable(texts));
    }

    private sealed record Row(string Text);
}
