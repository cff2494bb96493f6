using Microsoft.ML;

namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>What fewer bits cost a model that has learned something, and that a trained model is saved in them.</summary>
[TestClass]
public sealed class QuantizedModelTests
{
    [TestMethod]
    public void Eight_bits_cost_a_trained_model_half_a_percent_of_perplexity_at_most_and_four_bits_three()
    {
        // Sentences of 5 · 4 · 6 forms and a number that can't be foreseen: the perplexity of a token stays well above 1.
        var ml = new MLContext(seed: 1);
        using var folder = new TemporaryFolder();
        using GptLanguageModelTransformer trained = SmallModel.Train(ml, SmallModel.Options with { Model = SmallModel.Options.Model with { EmbeddingSize = 64 }, MaxSteps = 120 });
        string[] unseen = [.. Texts.Sentences(400).Skip(300).Select(static row => row.Text)];
        double exact = Perplexity(new());
        Assert.IsGreaterThan(1.5, exact);
        Assert.IsLessThan(60, exact);
        foreach ((OnnxExportOptions options, double most) in ((OnnxExportOptions, double)[])
        [
            (new() { Weights = WeightFormat.Float16 }, 0.001), (new() { Weights = WeightFormat.Int8 }, 0.005), (new() { Weights = WeightFormat.Int8, Quantization = new() { BlockSize = 64, Symmetric = false } }, 0.005),
            (new() { Weights = WeightFormat.Int4 }, 0.03), (new() { Weights = WeightFormat.Int4, Quantization = new() { Symmetric = false } }, 0.03),
        ])
        {
            double cost = (Perplexity(options) / exact) - 1;
            Assert.IsLessThan(most, cost, $"{options.Weights} costs {cost:P2} of a perplexity of {exact:F3}.");
        }

        double Perplexity(OnnxExportOptions options)
        {
            trained.Model.ExportOnnx(folder["package"], options);
            using GptModel model = GptModel.FromOnnx(folder["package"], GptDevice.Cpu);
            Assert.AreEqual(options.Weights, ((OnnxCausalModel)model.Engine).Weights);
            IReadOnlyList<SequenceScore> scores = model.Score(unseen);
            return Math.Exp(-scores.Sum(static score => score.LogLikelihood) / scores.Sum(static score => score.TokenCount));
        }
    }

    // With int8 activations a last bit before a rounding may become a step of it, in every layer: one token at a time and several at once round differently. With float32 ones nothing is rounded.
    [TestMethod]
    [DataRow(WeightFormat.Int8)]
    [DataRow(WeightFormat.Int4)]
    public void Tokens_one_by_one_and_at_once_agree_to_the_last_bits_where_activations_stay_float32_and_to_their_rounding_else(WeightFormat format)
    {
        using var folder = new TemporaryFolder();
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz .,"]);
        var config = new GptConfig { VocabularySize = 500, ContextLength = 64, EmbeddingSize = 256, HeadCount = 4, LayerCount = 4, InitializerRange = 0.1f };
        using var torch = new GptModel(new TorchCausalModel(new GptNetwork(config, GptDevice.Cpu, seed: 1)), tokenizer);
        (float[] AtOnce, float[] OneByOne) exact = Logits(accuracyLevel: 1), rounded = Logits(accuracyLevel: 4);
        double spread = Distance(exact.AtOnce, new float[exact.AtOnce.Length]);
        Assert.IsLessThan(1e-5, Distance(exact.AtOnce, exact.OneByOne) / spread);
        Assert.IsLessThan(0.05, Distance(rounded.AtOnce, rounded.OneByOne) / spread);

        // Neither way is nearer to what nothing is rounded in.
        Assert.AreEqual(1, Distance(rounded.OneByOne, exact.AtOnce) / Distance(rounded.AtOnce, exact.AtOnce), 0.1);

        static double Distance(float[] a, float[] b) => Math.Sqrt(a.Zip(b, static (x, y) => Math.Pow(x - y, 2)).Average());

        (float[] AtOnce, float[] OneByOne) Logits(int accuracyLevel)
        {
            torch.ExportOnnx(folder["package"], new() { Weights = format, Quantization = new() { AccuracyLevel = accuracyLevel } });
            using GptModel model = GptModel.FromOnnx(folder["package"], GptDevice.Cpu);
            int v = config.VocabularySize;
            int[] tokens = [.. Enumerable.Range(0, 40).Select(i => i * i * 7 % v)];
            float[] atOnce = new float[tokens.Length * v], oneByOne = new float[atOnce.Length];
            using ICausalDecoder whole = model.Engine.BeginDecoding(1, tokens.Length), steps = model.Engine.BeginDecoding(1, tokens.Length);
            whole.Append(tokens, default, LogitsScope.AllPositions, atOnce);
            for (int i = 0; i < tokens.Length; i++) steps.Append(tokens.AsSpan(i, 1), default, LogitsScope.LastPosition, oneByOne.AsSpan(i * v, v));
            return (atOnce, oneByOne);
        }
    }

    [TestMethod]
    public void A_trained_model_is_saved_in_the_form_that_it_is_told()
    {
        var ml = new MLContext(seed: 1);
        using var folder = new TemporaryFolder();
        using GptLanguageModelTransformer trained = SmallModel.Train(ml, SmallModel.Options with { Model = SmallModel.Options.Model with { EmbeddingSize = 64 }, MaxSteps = 5 });
        IDataView data = ml.Data.LoadFromEnumerable(Texts.Sentences(20));
        ITransformer pipeline = ml.Gpt().Transforms.ScoreText("Score", "Text", trained.Model).Fit(data);
        ml.Model.Save(pipeline, data.Schema, folder["exact.zip"]);
        trained.Model.ExportOptions = new OnnxExportOptions { Weights = WeightFormat.Int4 };
        ml.Model.Save(pipeline, data.Schema, folder["small.zip"]);
        Assert.IsLessThan(0.45 * new FileInfo(folder["exact.zip"]).Length, new FileInfo(folder["small.zip"]).Length); // positions, biases and norms stay float32, and the tokenizer is a good part
        var loaded = (ScoreTextTransformer)ml.Model.Load(folder["small.zip"], out _);
        Assert.AreEqual(WeightFormat.Int4, ((OnnxCausalModel)loaded.Model.Engine).Weights);
        Assert.AreEqual(trained.Model.Tokenizer.Hash, ((OnnxCausalModel)loaded.Model.Engine).TokenizerHash);
        loaded.Dispose();
    }
}
