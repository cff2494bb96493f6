using System.Text.Json;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>A small model learns to write the letters after three given ones, and then, with an adapter, the letters before them.</summary>
[TestClass]
public sealed class SupervisedFineTuningTests
{
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly TemporaryFolder Folder = new();
    private static readonly List<Example> After = [], Before = [];
    private static GptModel fresh = null!;
    private static GptSupervisedFineTuningTransformer after = null!, before = null!;

    private static readonly SupervisedFineTuningOptions Options = new()
    {
        Epochs = 40,
        BatchSize = 32,
        Packing = true,
        Optimizer = new() { LearningRate = 4e-3, WarmupSteps = 10, WeightDecay = 0 },
        Generation = new() { MaxNewTokens = 8, Temperature = 0, FinishReasonColumnName = "Why" },
        Evaluation = new() { ValidationFraction = 0 },
        Run = new() { Dropout = DropoutOptions.None, Precision = GptPrecision.Float32, Device = GptDevice.Cpu },
    };

    [ClassInitialize]
    public static void TrainOnce(TestContext context)
    {
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["abcdefghi="]);
        fresh = new GptModel(new TorchCausalModel(new GptNetwork(
            new() { VocabularySize = tokenizer.VocabularySize, ContextLength = 32, EmbeddingSize = 48, LayerCount = 2, HeadCount = 4 }, GptDevice.Cpu, seed: 2)), tokenizer);
        for (int i = 0; i < 343; i++)
        {
            int[] letters = [(i / 49) + 1, (i / 7 % 7) + 1, (i % 7) + 1];       // b … h
            string prompt = Word(letters, 0) + "=";
            After.Add(new() { Prompt = prompt, Completion = Word(letters, 1) });
            Before.Add(new() { Prompt = prompt, Completion = Word(letters, -1) });
        }

        var random = new Random(4);
        random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(After));
        random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(Before));
        after = Ml.Gpt().Trainers.SupervisedFineTuning("Answer", "Prompt", "Completion", Options with { Pretrained = fresh }).Fit(View(After[..256]));
        before = Ml.Gpt().Trainers.SupervisedFineTuning("Answer", "Prompt", "Completion", Options with
        {
            Pretrained = after.Model,
            Lora = new() { Rank = 8, Alpha = 16, Projections = LoraProjections.All },
            Optimizer = new() { LearningRate = 1e-2, WarmupSteps = 10, WeightDecay = 0 },
        }).Fit(View(Before[..256]));

        static string Word(int[] letters, int shift) => string.Concat(letters.Select(l => (char)('a' + l + shift)));
    }

    [ClassCleanup]
    public static void Clean()
    {
        before.Dispose();
        after.Dispose();
        fresh.Dispose();
        Folder.Dispose();
    }

    [TestMethod]
    public void The_model_completes_prompts_that_it_has_not_seen_and_ends_by_itself()
    {
        List<Written> rows = Read(after, After[256..]);
        Assert.IsGreaterThan(80, Right(rows), $"of {rows.Count}");
        Assert.IsTrue(rows.All(static r => r.Why == "StopToken"));
    }

    [TestMethod]
    public void An_adapter_teaches_the_same_base_another_answer_and_leaves_the_base_its_own()
    {
        Assert.IsGreaterThan(80, Right(Read(before, Before[256..])));
        Assert.IsGreaterThan(80, Right(Read(after, After[256..])));
        Assert.IsLessThan(after.Model.Config.ParameterCount / 4, before.Training.TrainedParameters);
    }

    [TestMethod]
    public void Both_engines_write_the_same_completions_with_an_adapter_merged_for_export()
    {
        before.Model.ExportOnnx(Folder["onnx"]);
        using GptModel deployed = GptModel.FromOnnx(Folder["onnx"], GptDevice.Cpu);
        string[] prompts = [.. Before[256..].Select(static e => e.Prompt)];
        GenerateTextOptions options = new() { MaxNewTokens = 8, Temperature = 0 };
        CollectionAssert.AreEqual(
            before.Model.Generate(prompts, options).Select(static t => (t.Text, t.FinishReason)).ToArray(), deployed.Generate(prompts, options).Select(static t => (t.Text, t.FinishReason)).ToArray());
    }

    [TestMethod]
    public void The_fitted_transformer_is_saved_as_ONNX_and_ends_completions_there_too()
    {
        IDataView rows = View(After[256..]);
        string zip = Folder["after.zip"];
        Ml.Model.Save(after, rows.Schema, zip);
        ITransformer loaded = new MLContext().Model.Load(zip, out _);
        List<Written> direct = Read(after, After[256..]), again = Read(loaded, After[256..]);
        CollectionAssert.AreEqual(direct.Select(static r => (r.Answer, r.Why)).ToArray(), again.Select(static r => (r.Answer, r.Why)).ToArray());
        ((IDisposable)loaded).Dispose();
    }

    [TestMethod]
    public void A_pipeline_over_an_adapter_writes_the_same_in_an_app_without_TorchSharp()
    {
        string[] prompts = [.. Before[256..264].Select(static e => e.Prompt)];
        IDataView rows = Ml.Data.LoadFromEnumerable(prompts.Select(static prompt => new Question { Text = prompt }));
        GenerateTextOptions generation = new() { MaxNewTokens = 8, Temperature = 0 };
        ITransformer pipeline = Ml.Gpt().Transforms.TokenizeText("Tokens", "Text", before.Model.Tokenizer)
            .Append(Ml.Gpt().Transforms.GenerateText("Reply", "Text", before.Model, generation)).Append(Ml.Gpt().Transforms.ScoreText("LogLikelihood", "Text", before.Model)).Fit(rows);
        Ml.Model.Save(pipeline, rows.Schema, Folder["adapter.zip"]);
        (int code, string output) = AppProcess.Run(Folder.Path, [Path.Combine(AppContext.BaseDirectory, "MLNet.Gpt.Transforms.Tests.LoadApp.dll"), Folder["adapter.zip"], .. prompts]);
        Assert.AreEqual(0, code, output);

        // A line for each prompt as a batch, another for each by itself; then the assemblies that were loaded.
        string[] lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries), expected = [.. before.Model.Generate(prompts, generation).Select(static text => text.Text)];
        CollectionAssert.AreEqual(new[] { expected, expected }.SelectMany(static texts => texts).ToArray(),
            lines[..^1].Select(static line => JsonDocument.Parse(line).RootElement.GetProperty("Reply").GetString()).ToArray());
        StringAssert.Contains(lines[^1], "MLNet.Gpt.Transforms");
        Assert.IsFalse(lines[^1].Contains("TorchSharp", StringComparison.Ordinal), lines[^1]);
    }

    [TestMethod]
    public void The_trainer_is_a_part_of_a_pipeline_like_any_other()
    {
        IDataView rows = Ml.Data.LoadFromEnumerable(After[..64].Select(static e => new Question { Text = e.Prompt, Completion = e.Completion }));
        using TransformerChain<GptSupervisedFineTuningTransformer> fitted = Ml.Transforms.CopyColumns("Prompt", "Text")
            .Append(Ml.Gpt().Trainers.SupervisedFineTuning("Answer", "Prompt", "Completion", Options with { Pretrained = after.Model, Epochs = 1 })).Fit(rows);
        List<Written> written = [.. Ml.Data.CreateEnumerable<Written>(fitted.Transform(rows), reuseRowObject: false)];
        Assert.IsGreaterThan(58, Right(written));
    }

    private static int Right(List<Written> rows) => rows.Count(static r => r.Answer == r.Completion);

    private static IDataView View(List<Example> examples) => Ml.Data.LoadFromEnumerable(examples);

    private static List<Written> Read(ITransformer transformer, List<Example> examples) =>
        [.. Ml.Data.CreateEnumerable<Written>(transformer.Transform(View(examples)), reuseRowObject: false)];

    private sealed class Example
    {
        public string Prompt { get; set; } = "";

        public string Completion { get; set; } = "";
    }

    private sealed class Question
    {
        public string Text { get; set; } = "";

        public string Completion { get; set; } = "";
    }

    private sealed class Written
    {
        public string Completion { get; set; } = "";

        public string Answer { get; set; } = "";

        public string Why { get; set; } = "";
    }
}
