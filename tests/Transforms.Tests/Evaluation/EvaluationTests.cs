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

        [KeyType(3)] public byte ByteKey => (byte)Key;

        [KeyType(3)] public ulong LongKey => Key;
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
    public void The_text_of_a_special_token_is_that_token_unless_it_is_to_be_text()
    {
        // Uniform over V tokens: 4 of them, where the letters of "<|endoftext|>", some of which there is no token for, would be 13 more.
        using var engine = new HistoryModel(TestModels.Letters.VocabularySize, 64, _ => new float[TestModels.Letters.VocabularySize]);
        using var model = new GptModel(engine, TestModels.Letters);
        IDataView data = _ml.Data.LoadFromEnumerable([new Question { Prompt = "ab<|endoftext|>a" }]);
        foreach (ScoreTextOptions? options in new[] { null, new ScoreTextOptions(), new ScoreTextOptions { BatchSize = 2 } })
        {
            CorpusScore score = _ml.Gpt().Evaluate.LanguageModel(data, "Prompt", model, options);
            Assert.AreEqual((4L, 16L), (score.TokenCount, score.ByteCount));
            Assert.AreEqual(-4 * Math.Log(TestModels.Letters.VocabularySize), score.LogLikelihood, 1e-4);
        }

        Assert.ThrowsExactly<TextRowException>(() => _ml.Gpt().Evaluate.LanguageModel(data, "Prompt", model, new() { SpecialTokens = SpecialTokenHandling.AsText }));
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
        foreach (string label in new[] { "Label", "Truth", "Key", "ByteKey", "LongKey" })
        {
            MultipleChoiceMetrics metrics = _ml.Gpt().Evaluate.MultipleChoice(_ml.Data.LoadFromEnumerable(questions), model, labelColumnName: label);
            Assert.AreEqual((4, 0.25, 0.25, 0.5), (metrics.Count, metrics.Accuracy, metrics.NormalizedAccuracy, metrics.ByteNormalizedAccuracy), label);

            // One of 4: deviations 0.75 and three of 0.25: 0.75 / 3 = 0.25 is the variance, √(0.25 / 4) = 0.25. Two of 4: 4 · 0.25 / 3 = 1/3, √(1/12).
            Assert.AreEqual(0.25, metrics.AccuracyStandardError, 1e-12);
            Assert.AreEqual(Math.Sqrt(1 / 12d), metrics.ByteNormalizedAccuracyStandardError, 1e-12);
            Assert.Contains("acc_norm", metrics.ToString());
        }

        // A right answer that is none of the answers counts as answered wrong, and is named.
        questions[3].Label = 3;
        questions[3].Truth = "zz";
        IDataView wrong = _ml.Data.LoadFromEnumerable(questions);
        foreach (string label in new[] { "Label", "Truth" })
        {
            MultipleChoiceMetrics metrics = _ml.Gpt().Evaluate.MultipleChoice(wrong, model, labelColumnName: label);
            Assert.AreEqual((4, 0.25, 0.25, 0.25), (metrics.Count, metrics.Accuracy, metrics.NormalizedAccuracy, metrics.ByteNormalizedAccuracy), label);
            QuestionProblem problem = metrics.Problems.Single();
            Assert.AreEqual((3L, true), (problem.Row, problem.IsCounted));
            Assert.Contains(label, problem.Problem);
        }

        Assert.ThrowsExactly<ColumnMismatchException>(() => _ml.Gpt().Evaluate.MultipleChoice(wrong, model, labelColumnName: "Choices"));
        Assert.Contains("no such column among 'Prompt', 'Choices', 'Label'", Assert.ThrowsExactly<ColumnMismatchException>(() => _ml.Gpt().Evaluate.MultipleChoice(wrong, model, labelColumnName: "Right")).Message);
    }

    [TestMethod]
    public void Mutual_information_greedy_match_and_the_brier_score_are_the_harnesss()
    {
        // After "x" the model writes a with 1/2 and b with 3/10, without a prompt with 7/10 and 1/10; the rest is shared by the others.
        using GptModel model = Knowing(static prompted => prompted ? (0.5, 0.3) : (0.7, 0.1));
        IDataView data = _ml.Data.LoadFromEnumerable([
            new Question { Prompt = "x", Choices = ["a", "b"], Label = 1 }, new Question { Prompt = "x", Choices = ["a", "b"], Label = 0 }]);
        MultipleChoiceMetrics metrics = _ml.Gpt().Evaluate.MultipleChoice(data, model, options: new() { Separator = "", Normalization = ChoiceNormalization.Unconditional });

        // ln(1/2 / 7/10) < ln(3/10 / 1/10): b wins, the answer of the first question. Greedily a is written, the answer of the second.
        Assert.AreEqual((0.5, 0.5, 0.5), (metrics.Accuracy, metrics.MutualInformationAccuracy, metrics.GreedyMatch));

        // Among the two p is 5/8 and 3/8: 2 (5/8)² where b is right, 2 (3/8)² where a is; the mean is 34/64.
        Assert.AreEqual(34 / 64d, metrics.BrierScore, 1e-6);
        Assert.AreEqual((50 - 18) / 64d / 2, metrics.BrierScoreStandardError, 1e-6); // of two numbers: half their difference
        MultipleChoiceMetrics only = _ml.Gpt().Evaluate.MultipleChoice(_ml.Data.TakeRows(data, 1), model, options: new() { Separator = "", Normalization = ChoiceNormalization.Unconditional });
        Assert.AreEqual((0d, 1d, 0d), (only.Accuracy, only.MutualInformationAccuracy, only.GreedyMatch));
        Assert.AreEqual(50 / 64d, only.BrierScore, 1e-6);

        // Without being asked for, the unconditional likelihoods are not computed.
        MultipleChoiceMetrics plain = _ml.Gpt().Evaluate.MultipleChoice(data, model, options: new() { Separator = "" });
        Assert.IsTrue(double.IsNaN(plain.MutualInformationAccuracy) && double.IsNaN(plain.MutualInformationAccuracyStandardError));
        Assert.AreEqual(metrics.BrierScore, plain.BrierScore);
    }

    [TestMethod]
    public void Equal_blank_and_single_answers_are_scored_and_a_row_that_can_not_be_is_named()
    {
        using GptModel model = Knowing(static _ => (0.5, 0.3));
        Question[] questions =
        [
            new() { Prompt = "x", Choices = ["a", "a", "b"], Label = 1 }, // of equal ones the first is the best: wrong
            new() { Prompt = "x", Choices = ["b"], Label = 0 },           // the only one is the best
            new() { Prompt = "x", Choices = ["b", ""], Label = 0 },       // the blank one is the separator alone; per character it has no likelihood
            new() { Prompt = "x", Choices = [], Label = 0 },
            new() { Prompt = "X?", Choices = ["a", "b"], Label = 0 },     // characters that the tokenizer does not know
            new() { Prompt = "x", Choices = ["a", "b"], Label = 0 },
            new() { Prompt = "", Choices = ["a", "b"], Label = 0 },
            new() { Prompt = " ", Choices = ["a", "b"], Label = 0 },
        ];
        MultipleChoiceMetrics metrics = _ml.Gpt().Evaluate.MultipleChoice(_ml.Data.LoadFromEnumerable(questions), model, options: new() { BatchSize = 64 });
        Assert.AreEqual(6, metrics.Count);
        CollectionAssert.AreEqual(new[] { (3L, false), (4L, false) }, metrics.Problems.Select(static problem => (problem.Row, problem.IsCounted)).ToArray());
        Assert.Contains("no candidate answers for row 3", metrics.Problems[0].Problem);
        Assert.IsTrue(metrics.Problems[0].Problem.EndsWith("give one or more.", StringComparison.Ordinal), metrics.Problems[0].Problem);
        Assert.Contains("'X'", metrics.Problems[1].Problem);

        // Right: 1, 5, 6, 7, and by characters 2, where " " alone is likelier than " b" but has no character to divide by.
        Assert.AreEqual(4 / 6d, metrics.Accuracy, 1e-12);
        Assert.AreEqual(5 / 6d, metrics.NormalizedAccuracy, 1e-12);

        // Without a separator a blank answer has no token at all.
        metrics = _ml.Gpt().Evaluate.MultipleChoice(_ml.Data.LoadFromEnumerable(questions[2..3]), model, options: new() { Separator = "" });
        Assert.AreEqual((0, 0L), (metrics.Count, metrics.Problems.Single().Row));
        Assert.IsTrue(double.IsNaN(metrics.Accuracy));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _ml.Gpt().Evaluate.MultipleChoice(_ml.Data.LoadFromEnumerable(questions), model, options: new() { BatchSize = 0 }));
    }

    [TestMethod]
    public void Perplexities_are_per_word_and_byte_too_with_the_harnesss_words()
    {
        using var engine = new HistoryModel(TestModels.Letters.VocabularySize, 64, _ => new float[TestModels.Letters.VocabularySize]);
        using var model = new GptModel(engine, TestModels.Letters);

        // Python's len(re.split(r"\s+", text)): 3, 3 ("", "é", ""), 1 and 1.
        string[] texts = ["ab c  d", " é ", "", "word"];
        CorpusScore score = _ml.Gpt().Evaluate.LanguageModel(_ml.Data.LoadFromEnumerable(texts.Select(static text => new Question { Prompt = text })), "Prompt", model);
        CollectionAssert.AreEqual(new[] { 3, 3, 1, 1 }, score.Texts.Select(static text => text.WordCount).ToArray());
        CollectionAssert.AreEqual(new[] { 7, 4, 0, 4 }, score.Texts.Select(static text => text.ByteCount).ToArray());
        double nats = 14 * Math.Log(TestModels.Letters.VocabularySize); // 14 characters, each a uniform guess
        Assert.AreEqual((8L, 15L, 14L), (score.WordCount, score.ByteCount, score.TokenCount));
        Assert.AreEqual(Math.Exp(nats / 8), score.WordPerplexity, 1e-3 * score.WordPerplexity);
        Assert.AreEqual(Math.Exp(nats / 15), score.BytePerplexity, 1e-4 * score.BytePerplexity);
        Assert.AreEqual(Math.Log2(score.BytePerplexity), score.BitsPerByte, 1e-12);
        Assert.Contains("word perplexity", score.ToString());
    }

    [TestMethod]
    public void Bootstrap_errors_approach_those_that_a_formula_gives()
    {
        // 12 of 40 right: a draw of 40 has a mean whose standard deviation is √(0.3 · 0.7 / 40). 20,000 draws tell it to 0.5 %; 3 % is six times that.
        using GptModel model = Knowing(static _ => (0.5, 0.3));
        IDataView data = _ml.Data.LoadFromEnumerable(Enumerable.Range(0, 40).Select(static i => new Question { Prompt = "x", Choices = ["a", "b"], Label = i < 12 ? 0 : 1 }));
        MultipleChoiceMetrics metrics = _ml.Gpt().Evaluate.MultipleChoice(data, model, options: new() { Separator = "" });
        MultipleChoiceErrors errors = metrics.StandardErrors(20_000, seed: 5);
        double expected = Math.Sqrt(0.3 * 0.7 / 40);
        Assert.AreEqual(expected, errors.Accuracy, 0.03 * expected);
        Assert.AreEqual(expected, errors.GreedyMatch, 0.03 * expected);
        Assert.AreEqual(expected * 32 / 64, errors.BrierScore, 0.03 * expected); // 18/64 and 50/64 in place of 0 and 1
        Assert.IsTrue(double.IsNaN(errors.MutualInformationAccuracy));
        Assert.AreEqual(errors, metrics.StandardErrors(20_000, seed: 5));
        Assert.AreNotEqual(errors, metrics.StandardErrors(20_000, seed: 6));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => metrics.StandardErrors(1));

        // The mean of 50 texts of one token each: the population's deviation over √50.
        var random = new Random(3);
        double[] losses = [.. Enumerable.Range(0, 50).Select(_ => 2 * random.NextDouble())];
        var corpus = new CorpusScore([.. losses.Select(static loss => new TextLikelihood(-loss, 1, 2, 1))]);
        double deviation = Math.Sqrt(losses.Sum(loss => Math.Pow(loss - losses.Average(), 2)) / 50 / 50);
        CorpusErrors found = corpus.StandardErrors(20_000);
        Assert.AreEqual(deviation, found.Loss, 0.03 * deviation);
        Assert.AreEqual(deviation / 2 / Math.Log(2), found.BitsPerByte, 0.03 * deviation);
        Assert.AreEqual(found.Perplexity, found.WordPerplexity, 1e-12); // a token is a word here
        Assert.AreEqual(deviation * corpus.Perplexity, found.Perplexity, 0.06 * found.Perplexity); // exp's slope, to first order
        Assert.IsTrue(double.IsNaN(new CorpusScore([new(-1, 1, 1, 1)]).StandardErrors().Loss));
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

    [TestMethod]
    public void An_answer_longer_than_the_context_is_named_with_its_row_and_both_lengths()
    {
        using GptModel model = Knowing(static _ => (0.5, 0.3));
        string endless = new('a', model.Config.ContextLength + 1);
        Question[] questions = [new() { Prompt = "x", Choices = ["a", "b"], Label = 0 }, new() { Prompt = "x", Choices = ["b", endless], Label = 0 }];
        MultipleChoiceMetrics metrics = _ml.Gpt().Evaluate.MultipleChoice(_ml.Data.LoadFromEnumerable(questions), model, options: new() { Separator = "" });
        string problem = $"Candidate 1 of row 1 has {endless.Length} tokens, the separator's included; at most {model.Config.ContextLength} fit the model's context. Shorten it.";
        Assert.AreEqual((1, problem), (metrics.Count, metrics.Problems.Single().Problem));
        var error = Assert.ThrowsExactly<ArgumentException>(() => model.ScoreChoices(["x", "x"], [["a"], [endless]], new() { Separator = "", Normalization = ChoiceNormalization.Unconditional }));
        StringAssert.StartsWith(error.Message, "Candidate 0 of prompt 1 has");
        Assert.AreEqual("choices", error.ParamName);
    }

    [TestMethod]
    public void A_picture_is_XML_whatever_characters_a_name_has()
    {
        // Control characters, half a surrogate pair and the two noncharacters of the basic plane have no form in XML 1.0.
        string[] names = ["a\0b\u0001\u001F", "\uD83D|\uFFFE\uFFFF", "tab\t \U0001F600 & <é>"];
        XElement svg = XElement.Parse(ConfusionMatrixPicture.ToSvg([[1, 0, 0], [0, 1, 0], [0, 0, 1]], names, "bell \a"));
        XNamespace ns = "http://www.w3.org/2000/svg";
        string[] texts = [.. svg.Elements(ns + "text").Select(static text => text.Value)];
        foreach (string expected in (string[])["a\uFFFDb\uFFFD\uFFFD", "\uFFFD|\uFFFD\uFFFD", names[2], "bell \uFFFD"]) CollectionAssert.Contains(texts, expected);
    }

    /// <summary>A model that writes a and b with given probabilities, after a prompt (anything but the end-of-text token and the separator) and without one.</summary>
    private static GptModel Knowing(Func<bool, (double A, double B)> probabilities)
    {
        int a = TestModels.Letters.Encode("a")[0], b = TestModels.Letters.Encode("b")[0], v = TestModels.Letters.VocabularySize;
        return new GptModel(new HistoryModel(v, 64, history =>
        {
            (double pa, double pb) = probabilities(history.Contains(TestModels.Letters.Encode("x")[0]));
            float[] logits = HistoryModel.Log([.. Enumerable.Repeat((1 - pa - pb) / (v - 2), v)]);
            (logits[a], logits[b]) = ((float)Math.Log(pa), (float)Math.Log(pb));
            return logits;
        }), TestModels.Letters);
    }
}
