using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests.Engine;

/// <summary>Several heads over one trunk in one package.</summary>
[TestClass]
public sealed class OnnxHeadsTests
{
    // Rows of unequal length, padded on the right with a letter; the tokens from 31 on are the head's own.
    private static readonly int[] Lengths = [7, 4, 1, 6];

    public static IEnumerable<object[]> Forms =>
    [
        ["pre-norm", new OnnxExportOptions()], ["post-norm", new OnnxExportOptions()], ["banded", new OnnxExportOptions()], ["standard operators", new OnnxExportOptions { Operators = GraphOperators.Standard }],
        ["weights beside", new OnnxExportOptions { ExternalDataThresholdBytes = 0 }],
        ["int8", new OnnxExportOptions { Weights = WeightFormat.Int8, Quantization = new() { Method = QuantizationMethod.RoundToNearest } }],
    ];

    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void Every_head_gives_what_a_package_of_its_own_gives(string form, OnnxExportOptions options)
    {
        using var folder = new TemporaryFolder();
        HeadedPackage heads = Of(form, options);
        string together = heads.Write(folder), plain = heads.WritePlain(folder);
        bool isQuantized = options.Weights == WeightFormat.Int8;

        // The language model.
        using (OnnxCausalModel one = OnnxCausalModel.Load(plain, GptDevice.Cpu), all = OnnxCausalModel.Load(together, GptDevice.Cpu))
        {
            int[] ids = Rows(0)[..7];
            Logits.AreClose(Logits.OfSequence(one, ids), Logits.OfSequence(all, ids));
            Assert.IsEmpty(one.Heads);
        }

        // In a package of its own an int8 classifier has its special tokens in the quantized table too.
        foreach ((string name, FormulaClassifier weights) in (ReadOnlySpan<(string, FormulaClassifier)>)[("colour", heads.Colour), ("likeness", heads.Likeness)])
        {
            using OnnxTextClassifier alone = OnnxTextClassifier.Load(heads.WriteAlone(folder, weights), GptDevice.Cpu), shared = OnnxTextClassifier.Load(together, GptDevice.Cpu, head: name);
            float[] expected = new float[Lengths.Length / weights.Head.SequencesPerOutput * weights.Head.OutputCount], found = new float[expected.Length];
            alone.Run(Rows(3), Lengths, expected);
            shared.Run(Rows(3), Lengths, found);
            AreClose(expected, found, isQuantized ? 0.05f : 1e-5f, name);
            Assert.AreEqual((weights.Head.Task, string.Join(' ', weights.Head.Labels)), (shared.Head.Task, string.Join(' ', shared.Head.Labels)));
        }

        foreach ((string name, FormulaReward weights) in (ReadOnlySpan<(string, FormulaReward)>)[("reward", heads.Reward), ("readout", heads.Readout)])
        {
            using OnnxRewardModel alone = OnnxRewardModel.Load(heads.WriteAlone(folder, weights), GptDevice.Cpu), shared = OnnxRewardModel.Load(together, GptDevice.Cpu, head: name);
            float[] expected = new float[Lengths.Length], found = new float[Lengths.Length];
            alone.Run(Rows(weights.Head.AddedTokenCount), Lengths, expected);
            shared.Run(Rows(weights.Head.AddedTokenCount), Lengths, found);
            AreClose(expected, found, isQuantized && name == "readout" ? 0.05f : 1e-5f, name);
            Assert.AreEqual(weights.Head, shared.Head);
        }
    }

    [TestMethod]
    public void A_value_stands_at_every_token_and_is_what_the_head_gives_of_the_row_up_to_there()
    {
        using var folder = new TemporaryFolder();
        var heads = new HeadedPackage();
        using OnnxCausalModel model = OnnxCausalModel.Load(heads.Write(folder), GptDevice.Cpu);
        using OnnxRewardModel alone = OnnxRewardModel.Load(heads.WriteAlone(folder, heads.Value), GptDevice.Cpu);
        float[] values = new float[Lengths.Length * 7], one = new float[1];
        int[] ids = Rows(0);
        model.RunHead("value", ids, Lengths, values);
        for (int row = 0; row < Lengths.Length; row++)
        {
            for (int t = 0; t < Lengths[row]; t++)
            {
                alone.Run(ids.AsSpan(row * 7, t + 1), [t + 1], one);
                Assert.AreEqual(one[0], values[(row * 7) + t], 1e-5f, $"row {row}, token {t}");
            }
        }
    }

    [TestMethod]
    public void An_embedding_is_the_pooled_hidden_states_of_the_real_tokens()
    {
        using var folder = new TemporaryFolder();
        var heads = new HeadedPackage();
        using GptModel model = GptModel.FromOnnx(heads.Write(folder), GptDevice.Cpu);
        var engine = (OnnxCausalModel)model.Engine;
        string[] texts = ["a cat", "dogs!", "z", "hello z"];
        int[][] rows = [.. texts.Select(text => model.Tokenizer.Encode(text))];
        int t = rows.Max(static row => row.Length), c = model.Config.EmbeddingSize;
        int[] ids = [.. rows.SelectMany(row => row.Concat(Enumerable.Repeat(2, t - row.Length)))];
        foreach ((string name, EmbeddingPooling pooling, bool normalize) in (ReadOnlySpan<(string, EmbeddingPooling, bool)>)[("mean", EmbeddingPooling.Mean, true), ("last", EmbeddingPooling.LastToken, false)])
        {
            float[] found = new float[rows.Length * c];
            engine.RunHead(name, ids, [.. rows.Select(static row => row.Length)], found);
            AreClose([.. model.Embed(texts, new() { Pooling = pooling, Normalize = normalize }).SelectMany(static one => one.Vector.ToArray())], found, 1e-5f, name);
        }
    }

    [TestMethod]
    public void Rows_that_the_engine_can_not_take_are_refused()
    {
        using var folder = new TemporaryFolder();
        using OnnxCausalModel model = OnnxCausalModel.Load(new HeadedPackage().Write(folder), GptDevice.Cpu);
        float[] three = new float[3];
        model.RunHead("colour", [1, 2, 33], [3], three);
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => model.RunHead("colour", [1, 2, model.Config.VocabularySize + 3], [3], three));
        Assert.ThrowsExactly<TokenOutOfRangeException>(() => model.RunHead("value", [1, 2, model.Config.VocabularySize], [3], three));
        Assert.AreEqual("outputs", Assert.ThrowsExactly<ArgumentException>(() => model.RunHead("value", [1, 2, 3], [3], new float[2])).ParamName);
        Assert.ThrowsExactly<ArgumentException>(() => model.RunHead("likeness", [1, 2, 3], [3], new float[1])); // reads two rows at once
        Assert.ThrowsExactly<PromptTooLongException>(() => model.RunHead("colour", new int[33], [33], three));
        Assert.ThrowsExactly<ArgumentException>(() => model.RunHead("colour", [1, 2, 3], [4], three));
        Assert.AreEqual("nothing", Assert.ThrowsExactly<UnknownHeadException>(() => model.RunHead("nothing", [1], [1], three)).Name);
    }

    [TestMethod]
    public void A_wrong_head_is_refused_with_the_heads_that_there_are()
    {
        using var folder = new TemporaryFolder();
        var heads = new HeadedPackage();
        string together = heads.Write(folder), plain = heads.WritePlain(folder);
        UnknownHeadException wrong = Assert.ThrowsExactly<UnknownHeadException>(() => GptClassifier.FromOnnx(together, GptDevice.Cpu, head: "color"));
        Assert.AreEqual("color", wrong.Name);
        Assert.AreEqual(OnnxHeadKind.Classifier, wrong.Wanted);
        CollectionAssert.AreEquivalent(heads.Heads.Select(static head => head.Name).ToArray(), wrong.Heads.Keys.ToArray());
        foreach (OnnxHead head in heads.Heads) Assert.Contains($"'{head.Name}' ({head.Kind})", wrong.Message);
        Assert.ThrowsExactly<UnknownHeadException>(() => GptClassifier.FromOnnx(together, GptDevice.Cpu, head: "reward")); // of another kind
        Assert.ThrowsExactly<UnknownHeadException>(() => GptRewardModel.FromOnnx(together, GptDevice.Cpu, head: "value"));
        Assert.IsNull(Assert.ThrowsExactly<UnknownHeadException>(() => GptRewardModel.FromOnnx(together, GptDevice.Cpu)).Name);
        Assert.IsEmpty(Assert.ThrowsExactly<UnknownHeadException>(() => GptClassifier.FromOnnx(plain, GptDevice.Cpu, head: "colour")).Heads);
        using GptModel model = GptModel.FromOnnx(together, GptDevice.Cpu);
        Assert.ThrowsExactly<UnknownHeadException>(() => model.OpenClassifier("reward"));
        Assert.ThrowsExactly<UnknownHeadException>(() => model.OpenRewardModel("colour"));
        using GptModel other = TestModels.Saying(static _ => "a", out _);
        Assert.IsEmpty(Assert.ThrowsExactly<UnknownHeadException>(() => other.OpenClassifier("colour")).Heads);
    }

    [TestMethod]
    public void One_session_generates_classifies_and_scores_and_closes_with_the_last_of_them()
    {
        using var folder = new TemporaryFolder();
        var heads = new HeadedPackage();
        using GptModel plain = GptModel.FromOnnx(heads.WritePlain(folder), GptDevice.Cpu);
        using GptClassifier alone = GptClassifier.FromOnnx(heads.WriteAlone(folder, heads.Colour), GptDevice.Cpu);
        using GptRewardModel aloneReward = GptRewardModel.FromOnnx(heads.WriteAlone(folder, heads.Readout), GptDevice.Cpu);
        GptModel model = GptModel.FromOnnx(heads.Write(folder), GptDevice.Cpu);
        Assert.AreEqual(OnnxHeadKind.Reward, model.Heads["readout"]);
        using GptClassifier classifier = model.OpenClassifier("colour");
        using GptRewardModel reward = model.OpenRewardModel("readout");
        Assert.AreSame(model.Engine, ((OnnxTextClassifier)classifier.Engine).Shared!.Model);
        Assert.AreSame(model.Engine, ((OnnxRewardModel)reward.Engine).Shared!.Model);

        string[] prompts = ["a longer prompt", "b", "", "some c"];
        Parallel.For(0, 8, i =>
        {
            if (i % 2 == 0)
            {
                CollectionAssert.AreEqual(
                    plain.Generate(prompts, new() { MaxNewTokens = 6, Temperature = 0 }).Select(static one => one.Text).ToArray(),
                    model.Generate(prompts, new() { MaxNewTokens = 6, Temperature = 0 }).Select(static one => one.Text).ToArray());
            }
            else
            {
                AreClose([.. alone.Classify("some text").Scores], [.. classifier.Classify("some text").Scores], 1e-5f, "colour");
                Assert.AreEqual(aloneReward.Score("a", " b").Reward, reward.Score("a", " b").Reward, 1e-5f);
            }
        });

        model.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Generate("a"));
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.OpenClassifier("colour"));
        Assert.AreEqual(1, classifier.Classify("some text").Scores.Sum(), 1e-5f);
        classifier.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => classifier.Classify("some text"));
        Assert.AreEqual(aloneReward.Score("a", " b").Reward, reward.Score("a", " b").Reward, 1e-5f);
    }

    [TestMethod]
    public void A_head_over_other_weights_is_refused_with_the_tensor_and_nothing_is_written()
    {
        using var folder = new TemporaryFolder();
        GptConfig config = new HeadedPackage().Config;
        foreach ((string tensor, int at) in (ReadOnlySpan<(string, int)>)[("wte.weight", 40), ("h.1.attn.c_proj.weight", 1023), ("ln_f.bias", 31)])
        {
            var heads = new HeadedPackage(config) { Trunk = new Changed(new FormulaWeights(config), tensor, at) };
            TrunkMismatchException differs = Assert.ThrowsExactly<TrunkMismatchException>(() => heads.Write(folder));
            Assert.AreEqual(("colour", tensor), (differs.Head, differs.TensorName));
            Assert.Contains($"at element {at}", differs.Message);
            Assert.IsFalse(Directory.Exists(folder["heads"]));
        }

        var narrower = new HeadedPackage(config) { Trunk = new FormulaWeights(config with { HeadCount = 4 }) };
        Assert.IsNull(Assert.ThrowsExactly<TrunkMismatchException>(() => narrower.Write(folder)).TensorName);
        new HeadedPackage(config) { Trunk = new FormulaWeights(config with { EmbeddingDropout = 0.1f }) }.Write(folder); // a remark, not a computation
    }

    [TestMethod]
    public void Names_options_and_files_that_can_not_be_are_refused()
    {
        using var folder = new TemporaryFolder();
        var heads = new HeadedPackage();
        Assert.ThrowsExactly<ArgumentException>(() => OnnxHead.Embedding("two words"));
        Assert.ThrowsExactly<ArgumentException>(() => OnnxHead.Value("value", heads.Readout)); // reads at a token of its own
        Assert.ThrowsExactly<ArgumentException>(() => OnnxExporter.Write(heads.Trunk, folder["p"], new() { Heads = [OnnxHead.Embedding("same"), OnnxHead.Embedding("same")] }));
        Assert.AreEqual("Heads", Assert.ThrowsExactly<UnsupportedOptionException>(() => OnnxExporter.WriteClassifier(heads.Colour, folder["p"], new() { Heads = heads.Heads })).Option);
        Assert.AreEqual("Heads", Assert.ThrowsExactly<UnsupportedOptionException>(() => OnnxExporter.WriteReward(heads.Reward, folder["p"], new() { Heads = heads.Heads })).Option);
        string path = heads.Write(folder), config = Path.Combine(path, OnnxPackageLayout.ConfigFile), text = File.ReadAllText(config);
        foreach ((string old, string with) in (ReadOnlySpan<(string, string)>)[("\"green\"", "\"grey\""), ("\"Classifier\"", "\"Embedder\""), ($"\"first_token_id\": {heads.Config.VocabularySize},", "\"first_token_id\": 3,"), ("\"heads.value\"", "\"heads.colour\"")])
        {
            Assert.Contains(old, text);
            File.WriteAllText(config, text.Replace(old, with, StringComparison.Ordinal));
            Assert.ThrowsExactly<CorruptFileException>(() => OnnxCausalModel.Load(path, GptDevice.Cpu), old);
        }

        File.WriteAllText(config, text);
        using GptClassifier packaged = GptClassifier.FromOnnx(path, GptDevice.Cpu, head: "colour");
        Assert.AreEqual(typeof(OnnxTextClassifier), Assert.ThrowsExactly<OnnxExportUnavailableException>(() => packaged.AsHead("colour")).Engine);
    }

    private static HeadedPackage Of(string form, OnnxExportOptions options)
    {
        GptConfig config = new HeadedPackage().Config;
        return new HeadedPackage(form switch
        {
            "post-norm" => config with { BlockForm = GptBlockForm.PostNorm },
            "banded" => config with { AttentionPattern = GptAttentionPattern.AlternatingDenseAndBanded, AttentionBandWidth = 3 },
            _ => config,
        }, options);
    }

    /// <summary>(4, 7), each row's last token the last of those that the head adds.</summary>
    private static int[] Rows(int addedTokens)
    {
        int v = TestModels.Letters.VocabularySize;
        int[] ids = new int[Lengths.Length * 7];
        for (int row = 0; row < Lengths.Length; row++)
        {
            for (int t = 0; t < 7; t++) ids[(row * 7) + t] = ((row * 11) + (t * 5) + 3) % v;
            for (int k = 0; k < Math.Min(addedTokens, Lengths[row]); k++) ids[(row * 7) + Lengths[row] - 1 - k] = v + addedTokens - 1 - k;
        }

        return ids;
    }

    private static void AreClose(float[] expected, float[] found, float tolerance, string name)
    {
        Assert.HasCount(expected.Length, found);
        for (int i = 0; i < found.Length; i++) Assert.AreEqual(expected[i], found[i], tolerance * Math.Max(1, Math.Abs(expected[i])), $"{name}, {i}");
        Assert.IsTrue(expected.Any(static value => Math.Abs(value) > 0.05f), $"{name}: numbers near 0 would show little.");
    }

    /// <summary>Weights of which one number is another.</summary>
    private sealed class Changed(IGptWeights weights, string tensor, int at) : IGptWeights
    {
        public GptConfig Config => weights.Config;

        public void Read(string name, Span<float> destination)
        {
            weights.Read(name, destination);
            if (name == tensor) destination[at] = MathF.BitIncrement(destination[at]);
        }
    }
}
