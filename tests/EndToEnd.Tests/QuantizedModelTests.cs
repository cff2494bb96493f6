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
