using Microsoft.ML.OnnxRuntimeGenAI;
using MLNet.Gpt.Benchmarks;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests.Engine;

/// <summary>onnxruntime-genai, which shares no code with this library but ONNX Runtime, opens the packages that are written here as they are and goes on as this engine does.</summary>
[TestClass]
public sealed class GenAiTests
{
    private static readonly GptTokenizer BytePairs = GptTokenizer.TrainBytePairEncoding(["low lower lowest new newer newest"], new BytePairTrainingOptions { VocabularySize = 264 });

    private static readonly GptConfig Config = new() { VocabularySize = 266, ContextLength = 64, EmbeddingSize = 64, LayerCount = 3, HeadCount = 4, FeedForwardSize = 96 };

    [ClassInitialize]
    public static void Needs_the_native_library(TestContext _)
    {
        try
        {
            Utils.SetLogBool("enabled", false);
        }
        catch (Exception exception) when (exception is TypeInitializationException or DllNotFoundException)
        {
            Assert.Inconclusive($"onnxruntime-genai's native library is not here; its package goes with ONNX Runtime for the CPU only: {(exception.InnerException ?? exception).Message}");
        }
    }

    [TestMethod]
    [DataRow(WeightFormat.Float32, GraphOperators.OnnxRuntime, false)]
    [DataRow(WeightFormat.Float32, GraphOperators.Standard, false)]
    [DataRow(WeightFormat.Int8, GraphOperators.OnnxRuntime, false)]
    [DataRow(WeightFormat.Int4, GraphOperators.OnnxRuntime, false)]
    [DataRow(WeightFormat.Float32, GraphOperators.OnnxRuntime, true)]
    [DataRow(WeightFormat.Int8, GraphOperators.OnnxRuntime, true)]
    [DataRow(WeightFormat.Float32, GraphOperators.Standard, true)]
    public void It_gives_the_same_greedy_tokens(WeightFormat format, GraphOperators operators, bool heads) =>
        AssertSameTokens(new OnnxExportOptions { Weights = format, Operators = operators, Heads = heads ? Heads() : [] });

    [TestMethod]
    public void A_package_with_room_for_adapters_is_the_base_model_there() => AssertSameTokens(new OnnxExportOptions { AdaptableProjections = LoraProjections.All });

    // Heads whose size is no multiple of 8, one layer of one head, a block that normalises behind its sums, bands, a feed-forward width and a vocabulary that nothing divides.
    [TestMethod]
    [DataRow(48, 4, 1, GptBlockForm.PreNorm, GptAttentionPattern.Dense, WeightFormat.Float32)]
    [DataRow(8, 1, 1, GptBlockForm.PreNorm, GptAttentionPattern.Dense, WeightFormat.Float32)]
    [DataRow(32, 1, 1, GptBlockForm.PreNorm, GptAttentionPattern.Dense, WeightFormat.Int8)]
    [DataRow(64, 8, 3, GptBlockForm.PostNorm, GptAttentionPattern.Dense, WeightFormat.Float32)]
    [DataRow(64, 4, 4, GptBlockForm.PreNorm, GptAttentionPattern.AlternatingDenseAndBanded, WeightFormat.Float32)]
    [DataRow(64, 4, 2, GptBlockForm.PostNorm, GptAttentionPattern.AlternatingDenseAndBanded, WeightFormat.Int4)]
    [DataRow(36, 3, 2, GptBlockForm.PreNorm, GptAttentionPattern.AlternatingDenseAndBanded, WeightFormat.Int8)]
    [DataRow(48, 4, 2, GptBlockForm.PreNorm, GptAttentionPattern.Dense, WeightFormat.Int4)]
    public void It_computes_every_shape(int width, int heads, int layers, GptBlockForm block, GptAttentionPattern attention, WeightFormat format)
    {
        GptConfig shape = Config with { VocabularySize = 265, EmbeddingSize = width, HeadCount = heads, LayerCount = layers, BlockForm = block, AttentionPattern = attention, AttentionBandWidth = 3, FeedForwardSize = 37 };
        foreach (GraphOperators operators in format == WeightFormat.Float32 ? (GraphOperators[])[GraphOperators.OnnxRuntime, GraphOperators.Standard] : [GraphOperators.OnnxRuntime])
            AssertSameTokens(new OnnxExportOptions { Weights = format, Operators = operators }, shape);
    }

    [TestMethod]
    public void It_reads_the_tokenizer()
    {
        using var folder = new TemporaryFolder();
        using var model = new Model(Export(folder, new OnnxExportOptions()));
        using var tokenizer = new Tokenizer(model);
        foreach (string text in (string[])["newer lowest", "a  new\nline", "l'été 🙂, 12 345"])
        {
            using Sequences ids = tokenizer.Encode(text);
            CollectionAssert.AreEqual(BytePairs.Encode(text).ToArray(), ids[0].ToArray(), text);
            Assert.AreEqual(text, tokenizer.Decode(ids[0]));
        }
    }

    [TestMethod]
    public void It_ends_at_the_models_own_end_tokens()
    {
        using var folder = new TemporaryFolder();
        string plain = Export(folder, new OnnxExportOptions());
        (int[] Prompt, int[] Text)[] texts;
        using (var own = new OwnEngine(plain)) texts = [.. Enumerable.Range(0, 16).Select(i => (int[])[(19 * i) % 264, ((71 * i) + 3) % 264]).Select(prompt => (prompt, own.Greedy(prompt, 10)))];

        // A token that comes after some others, and not among them, ends the text: another one than end-of-text, and the package is written by a model that was opened from one.
        (int[] prompt, int[] text) = texts.First(static one => !one.Text.Contains(BytePairs.EndOfTextId) && one.Text.Distinct().Count() > 2);
        int end = text.Distinct().ElementAt(2);
        File.WriteAllText(folder["checkpoint/generation_config.json"], $$"""{"eos_token_id":[{{BytePairs.EndOfTextId}},{{end}}]}""");
        OnnxExporter.Export(folder["checkpoint"], folder["first"]);
        using (GptModel model = GptModel.FromOnnx(folder["first"], GptDevice.Cpu)) model.ExportOnnx(folder["second"]);
        foreach (string package in (string[])[folder["first"], folder["second"]])
        {
            using var genAi = new Model(package);
            using var parameters = new GeneratorParams(genAi);
            using var generator = new Generator(genAi, parameters);
            generator.AppendTokens(prompt);
            while (!generator.IsDone()) generator.GenerateNextToken();
            Assert.AreEqual(string.Join(' ', text[..Array.IndexOf(text, end)]), string.Join(' ', generator.GetSequence(0)[prompt.Length..].ToArray()));
        }
    }

    [TestMethod]
    public void It_takes_the_models_own_settings()
    {
        using var folder = new TemporaryFolder();
        Export(folder, new OnnxExportOptions());
        File.WriteAllText(folder["checkpoint/generation_config.json"], """{"repetition_penalty":1.5,"max_new_tokens":8}""");
        OnnxExporter.Export(folder["checkpoint"], folder["package"]);
        using GptModel own = GptModel.FromOnnx(folder["package"], GptDevice.Cpu);
        using var genAi = new Model(folder["package"]);
        int changed = 0;
        foreach (int[] prompt in Enumerable.Range(0, 8).Select(static i => (int[])[(19 * i) % 264, ((71 * i) + 3) % 264]))
        {
            using var parameters = new GeneratorParams(genAi);
            using var generator = new Generator(genAi, parameters);
            generator.AppendTokens(prompt);
            for (int i = 0; i < 8 && !generator.IsDone(); i++) generator.GenerateNextToken();
            IReadOnlyList<int> text = own.GenerateSequences([prompt])[0].TokenIds;
            Assert.AreEqual(string.Join(' ', text), string.Join(' ', generator.GetSequence(0)[prompt.Length..].ToArray().Where(id => id != BytePairs.EndOfTextId)));
            if (!text.SequenceEqual(own.GenerateSequences([prompt], own.Generation with { RepetitionPenalty = 1 })[0].TokenIds)) changed++;
        }

        Assert.IsGreaterThan(4, changed, "without the penalty the texts would be the same");
    }

    private static void AssertSameTokens(OnnxExportOptions options, GptConfig? shape = null)
    {
        using var folder = new TemporaryFolder();
        string package = Export(folder, options, shape);
        using var genAi = new GenAiEngine(package);
        using var own = new OwnEngine(package);

        // A tied head repeats itself soon: many prompts show more than one long text. GenAiEngine holds the end-of-text token back, which this engine's loop does not.
        int[][] prompts = [.. Enumerable.Range(0, 16).Select(static i => new[] { (19 * i) % 264, ((71 * i) + 3) % 264 })];
        (int[] Prompt, int[] Text)[] texts = [.. prompts.Select(prompt => (prompt, own.Greedy(prompt, 10))).Where(static one => !one.Item2.Contains(BytePairs.EndOfTextId))];
        Assert.IsGreaterThan(8, texts.Length);
        Assert.IsGreaterThan(5, texts.SelectMany(static one => one.Text).Distinct().Count(), "the same few tokens would show little");
        foreach ((int[] prompt, int[] text) in texts) CollectionAssert.AreEqual(text, genAi.Greedy(prompt, 10), string.Join(' ', prompt));
    }

    private static IReadOnlyList<OnnxHead> Heads() =>
    [
        OnnxHead.Classifier("colour", new FormulaClassifier(Config, new ClassifierHead { Task = SupervisedTask.TextClassification, Labels = ["red", "green", "blue"] }, phase: 0.1f)),
        OnnxHead.Reward("reward", new FormulaReward(Config, new RewardHead(), phase: 0.3f)), OnnxHead.Embedding("mean"),
    ];

    private static string Export(TemporaryFolder folder, OnnxExportOptions options, GptConfig? shape = null)
    {
        GptCheckpoint.Write(folder["checkpoint"], new FormulaWeights(shape ?? Config), BytePairs);
        OnnxExporter.Export(folder["checkpoint"], folder["package"], options);
        return folder["package"];
    }
}
