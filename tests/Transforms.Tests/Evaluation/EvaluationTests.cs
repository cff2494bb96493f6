using System.Text.Json;
using System.Xml.Linq;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Evaluation;

[TestClass]
public sealed class EvaluationTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class Question
    {
        public string Prompt { get; set; } = "";

        public string[] Choices { get; set; } = [];

        public int Label { get; set; }

        public string Truth { get; set; } = "";

        [KeyType(3)] public uint Key { get; set; }
    }

    [TestMethod]
    public void Perplexity_and_bits_per_byte_are_over_the_corpus_and_long_texts_are_scored_whole()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = TextScores.Open(folder);
        JsonElement[] corpus = [.. TextScores.Root.GetProperty("corpus").EnumerateArray()];
        IDataView data = _ml.Data.LoadFromEnumerable(corpus.Select(one => new Question { Prompt = one.GetProperty("text").GetString()! }));
        CorpusScore score = _ml.Gpt().Evaluate.LanguageModel(data, "Prompt", model);
        double likelihood = corpus.Sum(one => one.GetProperty("log_likelihood").GetDouble());
        long tokens = corpus.Sum(one => one.GetProperty("tokens").GetInt64()), bytes = corpus.Sum(one => one.GetProperty("bytes").GetInt64());
        Assert.IsGreaterThan(2 * model.Config.ContextLength, corpus[2].GetProperty("tokens").GetInt32(), "the third text must need three windows");
        Assert.AreEqual(likelihood, score.LogLikelihood, TextScores.Tolerance);
        Assert.AreEqual((3L, tokens, bytes), (score.TextCount, score.TokenCount, score.ByteCount));
        Assert.AreEqual(Math.Exp(-likelihood / tokens), score.Perplexity, 1e-4 * score.Perplexity);
        Assert.AreEqual(-likelihood / Math.Log(2) / bytes, score.BitsPerByte, 1e-5);
        Assert.Contains("bits per byte", score.ToString());
        Assert.ThrowsExactly<ColumnMismatchException>(() => _ml.Gpt().Evaluate.LanguageModel(data, "Nothing", model));
    }

    [TestMethod]
    public void A_uniform_model_has_the_perplexity_of_its_vocabulary()
    {
        using var engine = new HistoryModel(TestModels.Letters.VocabularySize, 8, _ => new float[TestModels.Letters.VocabularySize]);
        using var model = new GptModel(engine, TestModels.Letters);
        CorpusScore score = _ml.Gpt().Evaluate.LanguageModel(_ml.Data.LoadFromEnumerable([new Question { Prompt = "hello é world, as long as need be".Replace(",", "", StringComparison.Ordinal) }]), "Prompt", model);
        Assert.AreEqual(TestModels.Letters.VocabularySize, score.Perplexity, 1e-3);

        // 32 characters, one of which has two bytes.
        Assert.AreEqual(32 * Math.Log2(TestModels.Letters.VocabularySize) / 33, score.BitsPerByte, 1e-5);
    }

    [TestMethod]
    public void Multiple_choice_is_counted_as_the_harness_counts_it()
    {
        // Uniform over 33 tokens: ln p is -3.5 a token, so that acc prefers the shortest answer; acc_norm divides -3.5 (n + 1), the separator's token included, by n, which prefers the longest.
        using var engine = new HistoryModel(TestModels.Letters.VocabularySize, 64, _ => new float[TestModels.Letters.VocabularySize]);
        using var model = new GptModel(engine, TestModels.Letters);
        Question[] questions =
        [
            new() { Prompt = "x", Choices = ["a", "bb", "ccc"], Label = 0, Truth = "a", Key = 0 },
            new() { Prompt = "x", Choices = ["bb", "a", "ccc"], Label = 0, Truth = "bb", Key = 0 },
            new() { Prompt = "x", Choices = ["bb", "ccc", "a"], Label = 1, Truth = "ccc", Key = 1 },
            new() { Prompt = "x", Choices = ["bb", "a", "éé"], Label = 2, Truth = "éé", Key = 2 }, // 2 characters, 4 bytes: ties with "bb" by characters, wins by bytes
        ];
        foreach (string label in new[] { "Label", "Truth", "Key" })
        {
            MultipleChoiceMetrics metrics = _ml.Gpt().Evaluate.MultipleChoice(_ml.Data.LoadFromEnumerable(questions), model, labelColumnName: label);
            Assert.AreEqual((4, 0.25, 0.25, 0.5), (metrics.Count, metrics.Accuracy, metrics.NormalizedAccuracy, metrics.ByteNormalizedAccuracy), label);

            // One of 4: deviations 0.75 and three of 0.25: 0.75 / 3 = 0.25 is the variance, √(0.25 / 4) = 0.25. Two of 4: 4 · 0.25 / 3 = 1/3, √(1/12).
            Assert.AreEqual(0.25, metrics.AccuracyStandardError, 1e-12);
            Assert.AreEqual(Math.Sqrt(1 / 12d), metrics.ByteNormalizedAccuracyStandardError, 1e-12);
            Assert.Contains("acc_norm", metrics.ToString());
        }

        questions[3].Label = 3;
        questions[3].Truth = "zz";
        IDataView wrong = _ml.Data.LoadFromEnumerable(questions);
        Assert.ThrowsExactly<ArgumentException>(() => _ml.Gpt().Evaluate.MultipleChoice(wrong, model));
        Assert.ThrowsExactly<ArgumentException>(() => _ml.Gpt().Evaluate.MultipleChoice(wrong, model, labelColumnName: "Truth"));
        Assert.ThrowsExactly<ColumnMismatchException>(() => _ml.Gpt().Evaluate.MultipleChoice(wrong, model, labelColumnName: "Choices"));
    }

    [TestMethod]
    public void A_confusion_matrix_becomes_a_picture()
    {
        XElement svg = XElement.Parse(ConfusionMatrixPicture.ToSvg([[3, 1], [0, 0]], ["<a> & b", "c"], "title"));
        XNamespace ns = "http://www.w3.org/2000/svg";
        XElement[] cells = [.. svg.Elements(ns + "rect").Where(rect => rect.Element(ns + "title") is not null)];
        CollectionAssert.AreEqual(
            new[] { "<a> & b taken for <a> & b: 3 (75.0 %)", "<a> & b taken for c: 1 (25.0 %)", "c taken for <a> & b: 0 (0.0 %)", "c taken for c: 0 (0.0 %)" },
            cells.Select(cell => cell.Value).ToArray());

        // Three quarters of the way from white to rgb(8, 48, 107); a class without rows stays white.
        Assert.AreEqual("rgb(70,100,144)", cells[0].Attribute("fill")!.Value);
        Assert.AreEqual("rgb(255,255,255)", cells[3].Attribute("fill")!.Value);
        Assert.ThrowsExactly<ArgumentException>(() => ConfusionMatrixPicture.ToSvg([[1, 2]], ["a"]));
        Assert.ThrowsExactly<ArgumentException>(() => ConfusionMatrixPicture.ToSvg([[-1]], ["a"]));
    }
}
