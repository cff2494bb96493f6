using Microsoft.ML;

namespace MLNet.Gpt.EndToEnd.Tests.Supervised;

/// <summary>A trained classifier and the language model over its network in one package.</summary>
[TestClass]
public sealed class SharedTrunkTests
{
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghij "]);

    private static readonly SupervisedTaskOptions Options = new()
    {
        Model = new GptConfig { VocabularySize = Letters.VocabularySize, ContextLength = 16, EmbeddingSize = 32, LayerCount = 2, HeadCount = 2, InitializerRange = 0.1f },
        Tokenizer = Letters,
        Epochs = 6,
        BatchSize = 8,
        Optimizer = new() { LearningRate = 3e-3 },
        Run = new() { Precision = GptPrecision.Float32, Device = GptDevice.Cpu },
    };

    [TestMethod]
    public void A_classifier_and_the_language_model_over_its_network_share_a_package_and_another_classifier_does_not()
    {
        Row[] texts = [.. Enumerable.Range(0, 60).Select(static i => new Row { Text = $"{"abc"[i % 3]}{"defg"[i % 4]} {"hij"[i % 3]}", Label = "abc"[i % 3].ToString() })];
        IDataView rows = Ml.Data.LoadFromEnumerable(texts), keyed = Ml.Transforms.Conversion.MapValueToKey("Key", "Label").Fit(rows).Transform(rows);
        using SupervisedTaskTransformer trained = Ml.Gpt().Trainers.TextClassification("Key", "Text", Options).Fit(keyed);
        using SupervisedTaskTransformer other = Ml.Gpt().Trainers.TextClassification("Key", "Text", Options with { Epochs = 1 }).Fit(keyed);
        using GptModel language = trained.Model.ToLanguageModel();
        using var folder = new TemporaryFolder();
        language.ExportOnnx(folder["package"], new() { Heads = [trained.Model.AsHead("letter"), OnnxHead.Embedding("vector")] });
        using (GptModel packaged = GptModel.FromOnnx(folder["package"], GptDevice.Cpu))
        using (GptClassifier letter = packaged.OpenClassifier("letter"))
        {
            Assert.AreEqual(language.Generate("a", new() { MaxNewTokens = 8, Temperature = 0 }), packaged.Generate("a", new() { MaxNewTokens = 8, Temperature = 0 }));
            foreach (Row row in texts.Take(12)) Near(trained.Model.Classify(row.Text), letter.Classify(row.Text), 1e-4f);
        }

        // A pipeline of the language model saves the heads that its options name.
        language.ExportOptions = new() { Heads = [trained.Model.AsHead("letter")], Weights = WeightFormat.Int8 };
        Ml.Model.Save(Ml.Gpt().Transforms.GenerateText("Reply", "Text", language, new() { MaxNewTokens = 2 }).Fit(rows), rows.Schema, folder["model.zip"]);
        var loaded = (GenerateTextTransformer)Ml.Model.Load(folder["model.zip"], out _);
        using (GptClassifier letter = loaded.Model.OpenClassifier("letter"))
        {
            foreach (Row row in texts.Take(12)) Near(trained.Model.Classify(row.Text), letter.Classify(row.Text), 0.05f);
        }

        loaded.Dispose();

        TrunkMismatchException differs = Assert.ThrowsExactly<TrunkMismatchException>(() => language.ExportOnnx(folder["both"], new() { Heads = [trained.Model.AsHead("letter"), other.Model.AsHead("other")] }));
        Assert.AreEqual("other", differs.Head);
        Assert.IsFalse(Directory.Exists(folder["both"]));

        // The network stays as long as one of the two does.
        trained.Dispose();
        Assert.AreEqual(8, language.Generate(["a"], new() { MaxNewTokens = 8, Temperature = 0, StopAtEndOfText = false })[0].TokenCount);
        using GptClassifier onnx = GptClassifier.FromOnnx(folder["package"], GptDevice.Cpu, head: "letter");
        Assert.ThrowsExactly<NotSupportedException>(() => onnx.ToLanguageModel());
    }

    private static void Near(TextPrediction expected, TextPrediction found, float tolerance)
    {
        for (int i = 0; i < expected.Scores.Count; i++) Assert.AreEqual(expected.Scores[i], found.Scores[i], tolerance);
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";

        public string Label { get; set; } = "";
    }
}
