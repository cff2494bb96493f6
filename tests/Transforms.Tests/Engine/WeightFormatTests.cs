using System.Text;
using Microsoft.ML;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Transforms.Tests.Engine;

/// <summary>Packages in fewer bits, opened by the library: they generate, score, embed and classify, and go through ML.NET's model file.</summary>
[TestClass]
public sealed class WeightFormatTests
{
    private static readonly GptConfig Config = new() { VocabularySize = TestModels.Letters.VocabularySize, ContextLength = 32, EmbeddingSize = 64, LayerCount = 2, HeadCount = 4 };

    [TestMethod]
    [DataRow(WeightFormat.Int8, 0.05)]
    [DataRow(WeightFormat.Int4, 0.6)]
    [DataRow(WeightFormat.Float16, 0.01)]
    public void A_model_in_fewer_bits_scores_nearly_the_same_and_decodes_as_it_scores(WeightFormat format, double tolerance)
    {
        using var folder = new TemporaryFolder();
        using GptModel exact = Open(folder["exact"], new()), model = Open(folder["small"], new() { Weights = format });
        Assert.AreEqual(format, ((OnnxCausalModel)model.Engine).Weights);
        string[] texts = ["the quick brown fox", "jumps", "over the lazy dog."];
        foreach ((SequenceScore one, SequenceScore other) in exact.Score(texts).Zip(model.Score(texts)))
            Assert.AreEqual(one.LogLikelihood / one.TokenCount, other.LogLikelihood / other.TokenCount, tolerance);

        // What it generates in a batch, padded, is what it generates alone; and each token is the likeliest by a pass over the whole text.
        var greedy = new GenerateTextOptions { Temperature = 0, MaxNewTokens = 8, BatchSize = 3 };
        string[] together = [.. model.Generate(texts, greedy).Select(static text => text.Text)], alone = [.. texts.Select(text => model.Generate(text, greedy))];
        CollectionAssert.AreEqual(alone, together);
        Assert.HasCount(64, model.Embed(["fox"])[0].Vector.ToArray());
    }

    [TestMethod]
    public void A_saved_pipeline_keeps_the_form_and_gives_the_same()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = Open(folder["int8"], new() { Weights = WeightFormat.Int8 });
        var ml = new MLContext();
        IDataView data = ml.Data.LoadFromEnumerable([new Row { Text = "the quick" }, new Row { Text = "brown fox" }]);
        ITransformer fitted = ml.Gpt().Transforms.ScoreText("Score", "Text", model).Fit(data);
        ml.Model.Save(fitted, data.Schema, folder["model.zip"]);
        using (var zip = System.IO.Compression.ZipFile.OpenRead(folder["model.zip"]))
        {
            // Weights do not deflate: they are stored.
            System.IO.Compression.ZipArchiveEntry entry = zip.Entries.Single(static entry => entry.Name == "model.onnx");
            Assert.AreEqual(entry.Length, entry.CompressedLength);
            Assert.AreEqual(new FileInfo(Path.Combine(folder["int8"], "model.onnx")).Length, entry.Length);
        }

        ITransformer loaded = ml.Model.Load(folder["model.zip"], out _);
        CollectionAssert.AreEqual(Scores(fitted), Scores(loaded));
        Assert.AreEqual(WeightFormat.Int8, ((OnnxCausalModel)((ScoreTextTransformer)loaded).Model.Engine).Weights);
        (loaded as IDisposable)?.Dispose();

        float[] Scores(ITransformer transformer) => [.. ml.Data.CreateEnumerable<Scored>(transformer.Transform(data), reuseRowObject: false).Select(static row => row.Score)];
    }

    [TestMethod]
    public void A_package_is_not_written_in_another_form()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = Open(folder["package"], new());
        var error = Assert.ThrowsExactly<OnnxExportUnavailableException>(() => model.ExportOnnx(folder["copy"], new OnnxExportOptions { Weights = WeightFormat.Int8 }));
        StringAssert.Contains(error.Message, "package");
        Assert.IsFalse(Directory.Exists(folder["copy"]));
        model.ExportOnnx(folder["copy"]);
        CollectionAssert.AreEqual(File.ReadAllBytes(Path.Combine(folder["package"], "model.onnx")), File.ReadAllBytes(Path.Combine(folder["copy"], "model.onnx")));
    }

    [TestMethod]
    [DataRow(WeightFormat.Int8, 0.05)]
    [DataRow(WeightFormat.Int4, 0.4)]
    public void Heads_are_written_in_fewer_bits_too(WeightFormat format, double tolerance)
    {
        using var folder = new TemporaryFolder();
        var options = new OnnxExportOptions { Weights = format, TokenizerHash = TestModels.Letters.Hash, EndOfTextId = TestModels.Letters.EndOfTextId };
        var head = new ClassifierHead { Task = SupervisedTask.TextClassification, Labels = ["red", "green", "blue"] };
        foreach (GptConfig config in (ReadOnlySpan<GptConfig>)[Config, Config with { LayerCount = 1 }, Config with { BlockForm = GptBlockForm.PostNorm }])
        {
            OnnxExporter.WriteClassifier(new FormulaClassifier(config, head), folder["small"], options);
            OnnxExporter.WriteClassifier(new FormulaClassifier(config, head), folder["exact"], options with { Weights = WeightFormat.Float32 });
            OnnxExporter.WriteClassifier(new FormulaClassifier(config, head), folder["standard"], options with { Weights = WeightFormat.Float32, Operators = GraphOperators.Standard });
            float[] small = Outputs(folder["small"]), exact = Outputs(folder["exact"]), standard = Outputs(folder["standard"]);
            float scale = exact.Max(MathF.Abs);
            for (int i = 0; i < exact.Length; i++)
            {
                Assert.AreEqual(exact[i], small[i], (float)tolerance * scale);
                Assert.AreEqual(exact[i], standard[i], 5e-6f * scale);
            }
        }

        OnnxExporter.WriteReward(new FormulaReward(Config, new RewardHead()), folder["reward"], options);
        OnnxExporter.WriteReward(new FormulaReward(Config, new RewardHead()), folder["exact reward"], options with { Weights = WeightFormat.Float32 });
        using OnnxRewardModel reward = OnnxRewardModel.Load(folder["reward"], GptDevice.Cpu), exactReward = OnnxRewardModel.Load(folder["exact reward"], GptDevice.Cpu);
        float[] one = new float[1], other = new float[1];
        reward.Run([1, 2, 3, 4], [4], one);
        exactReward.Run([1, 2, 3, 4], [4], other);
        Assert.AreEqual(other[0], one[0], (float)tolerance * Math.Max(1, Math.Abs(other[0])));

        static float[] Outputs(string folder)
        {
            using OnnxTextClassifier model = OnnxTextClassifier.Load(folder, GptDevice.Cpu);
            float[] outputs = new float[6];
            model.Run([1, 2, 3, 4, 5, 9, 8, 0, 0, 0], [5, 2], outputs);
            return outputs;
        }
    }

    [TestMethod]
    [DataRow("block_size", 32, 64)]
    [DataRow("block_size", 32, 16)]
    [DataRow("block_size", 32, 33)]
    [DataRow("bits", 8, 4)]
    public void A_block_or_a_number_of_bits_that_the_codes_do_not_have_is_refused(string attribute, int written, int other)
    {
        using TestPackage package = TestPackage.Of(new() { VocabularySize = 70, ContextLength = 16, EmbeddingSize = 64, LayerCount = 2, HeadCount = 2 },
            new OnnxExportOptions { Weights = WeightFormat.Int8, Quantization = new() { BlockSize = 32 } });

        // The attribute's name (field 1), then its number (field 3), in the last product alone.
        byte[] model = File.ReadAllBytes(package.ModelPath), found = [1 << 3 | 2, (byte)attribute.Length, .. Encoding.UTF8.GetBytes(attribute), 3 << 3, (byte)written];
        int at = model.AsSpan().LastIndexOf(found);
        Assert.IsGreaterThan(0, at);
        model[at + found.Length - 1] = (byte)other;
        File.WriteAllBytes(package.ModelPath, model);
        var error = Assert.ThrowsExactly<CorruptFileException>(package.Load);
        Assert.AreEqual(package.ModelPath, error.Path);
        StringAssert.Contains(error.Message, "MatMulNBits");
    }

    [TestMethod]
    public void A_bfloat16_package_is_refused_on_a_cpu_with_the_reason()
    {
        using var folder = new TemporaryFolder();
        OnnxExporter.Write(new FormulaWeights(Config), folder["package"], new OnnxExportOptions { Weights = WeightFormat.BFloat16 });
        var error = Assert.ThrowsExactly<DeviceUnavailableException>(() => OnnxCausalModel.Load(folder["package"], GptDevice.Cpu));
        StringAssert.Contains(error.Message, "BFloat16");
    }

    private static GptModel Open(string folder, OnnxExportOptions options)
    {
        OnnxExporter.Write(new FormulaWeights(Config), folder, options with { TokenizerHash = TestModels.Letters.Hash, EndOfTextId = TestModels.Letters.EndOfTextId });
        TestModels.Letters.Save(folder);
        return GptModel.FromOnnx(folder, GptDevice.Cpu);
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";
    }

    private sealed class Scored
    {
        public float Score { get; set; }
    }
}
