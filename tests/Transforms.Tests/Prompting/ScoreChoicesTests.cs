using System.Text.Json;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Core.Tests.Tokenization;

namespace MLNet.Gpt.Transforms.Tests.Prompting;

[TestClass]
public sealed class ScoreChoicesTests
{
    private static readonly string[] Choices = ["yes", "no", "maybe so"];

    private readonly MLContext _ml = new(seed: 1);

    private sealed class Question
    {
        public string Prompt { get; set; } = "";

        public string Truth { get; set; } = "";

        public string[] Answers { get; set; } = [];
    }

    private static JsonElement[] Reference { get; } = [.. TextScores.Root.GetProperty("choices").EnumerateArray()];

    [TestMethod]
    public void Likelihoods_are_those_of_an_independent_implementation_in_every_normalisation()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = TextScores.Open(folder);
        string[] prompts = [.. Reference.Select(one => one.GetProperty("context").GetString()!)];
        double[][] conditional = [.. Reference.Select(one => one.GetProperty("conditional").Doubles())], unconditional = [.. Reference.Select(one => one.GetProperty("unconditional").Doubles())];
        foreach (ChoiceNormalization normalization in Enum.GetValues<ChoiceNormalization>())
        {
            IReadOnlyList<ChoiceScores> scores = model.ScoreChoices(
                prompts, [.. prompts.Select(_ => Choices)], new() { Normalization = normalization, AnswerContext = "a:", BatchSize = 5 });
            for (int i = 0; i < prompts.Length; i++)
            {
                TextScores.AreClose(conditional[i], scores[i].LogLikelihoods, $"{prompts[i]}");
                double[] expected = [.. conditional[i].Select((likelihood, c) => normalization switch
                {
                    ChoiceNormalization.PerToken => likelihood / scores[i].TokenCounts[c],
                    ChoiceNormalization.PerByte => likelihood / Choices[c].Length,
                    ChoiceNormalization.Unconditional => likelihood - unconditional[i][c],
                    _ => likelihood,
                })];
                TextScores.AreClose(expected, scores[i].Scores, $"{normalization} of {prompts[i]}");
                Assert.AreEqual(Array.IndexOf(expected, expected.Max()), scores[i].BestIndex);
                Assert.AreEqual(1, scores[i].Probabilities().Sum(), 1e-12);
            }
        }

        // A character is a token here, and the separator is one of the answer's; a space that ends the prompt is another ("can you see the river? ").
        CollectionAssert.AreEqual(new[] { 4, 3, 9 }, model.ScoreChoices(["is it cold?"], [Choices])[0].TokenCounts.ToArray());
        CollectionAssert.AreEqual(new[] { 5, 4, 10 }, model.ScoreChoices(["is it cold? "], [Choices])[0].TokenCounts.ToArray());
    }

    [TestMethod]
    public void Few_shot_prompts_and_their_scores_are_those_of_an_independent_implementation()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = TextScores.Open(folder);
        JsonElement few = TextScores.Root.GetProperty("few_shot");
        IDataView examples = _ml.Data.LoadFromEnumerable(few.GetProperty("examples").EnumerateArray().Select(pair => new Question { Prompt = pair[0].GetString()!, Truth = pair[1].GetString()! }));
        IDataView questions = _ml.Data.LoadFromEnumerable([new Question { Prompt = "is it cold?" }]);
        foreach (JsonElement expected in few.GetProperty("prompts").EnumerateArray())
        {
            var chain = _ml.Gpt().Transforms.BuildPrompt(
                    "Full", new() { Template = "q: {Prompt}\na:", ExampleTemplate = "q: {Prompt}\na: {Truth}", ExampleCount = expected.GetProperty("count").GetInt32() }, examples)
                .Append(_ml.Gpt().Transforms.ScoreChoices("PredictedLabel", "Full", model, new() { Choices = Choices, LogLikelihoodColumnName = "LogLikelihood" }));
            IDataView scored = chain.Fit(questions).Transform(questions);
            Assert.AreEqual(expected.GetProperty("prompt").GetString(), scored.GetColumn<string>("Full").Single());
            TextScores.AreClose(expected.GetProperty("scores").Doubles(), scored.GetColumn<float[]>("LogLikelihood").Single().Select(x => (double)x), "few-shot");
        }
    }

    [TestMethod]
    public void The_columns_are_those_of_a_classifier_also_after_saving_and_loading()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = TextScores.Open(folder);
        string[] prompts = [.. Reference.Select(one => one.GetProperty("context").GetString()!)];
        double[][] conditional = [.. Reference.Select(one => one.GetProperty("conditional").Doubles())];

        // The truth is what the model prefers, but in the first row, where it is something else: 3 of 4 are right.
        IDataView data = _ml.Data.LoadFromEnumerable(prompts.Select((prompt, i) => new Question { Prompt = prompt, Truth = Choices[(Array.IndexOf(conditional[i], conditional[i].Max()) + (i == 0 ? 1 : 0)) % 3] }));
        IDataView order = _ml.Data.LoadFromEnumerable(Choices.Select(choice => new Question { Truth = choice }));
        IDataView truths = _ml.Transforms.SelectColumns("Truth").Fit(order).Transform(order);
        var chain = _ml.Transforms.Conversion.MapValueToKey("Label", "Truth", keyData: truths)
            .Append(_ml.Gpt().Transforms.ScoreChoices("PredictedLabel", "Prompt", model, Choices))
            .Append(_ml.Transforms.Conversion.MapKeyToValue("Answer", "PredictedLabel"));
        ITransformer fitted = chain.Fit(data);
        IDataView scored = fitted.Transform(data);
        Assert.AreEqual(new KeyDataViewType(typeof(uint), 3), scored.Schema["PredictedLabel"].Type);
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, 3), scored.Schema["Score"].Type);
        VBuffer<ReadOnlyMemory<char>> names = default;
        scored.Schema["Score"].GetSlotNames(ref names);
        CollectionAssert.AreEqual(Choices, names.DenseValues().Select(name => name.ToString()).ToArray());
        ReadOnlyMemory<char> kind = default, valueKind = default;
        scored.Schema["Score"].Annotations.GetValue("ScoreColumnKind", ref kind);
        scored.Schema["Score"].Annotations.GetValue("ScoreValueKind", ref valueKind);
        Assert.AreEqual("MulticlassClassification Score", $"{kind} {valueKind}");
        MulticlassClassificationMetrics metrics = _ml.MulticlassClassification.Evaluate(scored);
        Assert.AreEqual(0.75, metrics.MicroAccuracy);
        CollectionAssert.AreEqual(conditional.Select(row => Choices[Array.IndexOf(row, row.Max())]).ToArray(), scored.GetColumn<string>("Answer").ToArray());

        _ml.Model.Save(fitted, data.Schema, folder["model.zip"]);
        ITransformer loaded = _ml.Model.Load(folder["model.zip"], out _);
        using var disposal = (IDisposable)loaded;
        Assert.AreEqual(metrics.LogLoss, _ml.MulticlassClassification.Evaluate(loaded.Transform(data)).LogLoss, 1e-5);
    }

    [TestMethod]
    public void A_score_per_byte_counts_bytes_and_not_characters()
    {
        // "é" is one character and one token of two bytes.
        using GptModel model = TestModels.Saying(static _ => "a", out _);
        ChoiceScores scores = model.ScoreChoices(["x"], [["é", "b"]], new() { Normalization = ChoiceNormalization.PerByte, Separator = "" })[0];
        Assert.AreEqual(1, scores.TokenCounts[0]);
        Assert.AreEqual(scores.LogLikelihoods[0] / 2, scores.Scores[0], 1e-9);
        Assert.AreEqual(scores.LogLikelihoods[1], scores.Scores[1], 1e-9);
    }

    [TestMethod]
    public void Each_row_may_have_candidates_of_its_own()
    {
        using GptModel model = TestModels.Saying(text => text.EndsWith("sky ", StringComparison.Ordinal) ? "b" : "a", out _);
        IDataView data = _ml.Data.LoadFromEnumerable([
            new Question { Prompt = "sky", Answers = ["green", "blue"] }, new Question { Prompt = "sea", Answers = ["bed", "apt", "cold"] }]);
        IDataView scored = _ml.Gpt().Transforms.ScoreChoices("Answer", "Prompt", model, new() { ChoicesColumnName = "Answers", PredictedIndexColumnName = "Index", Normalization = ChoiceNormalization.PerToken }).Fit(data).Transform(data);
        CollectionAssert.AreEqual(new[] { "blue", "apt" }, scored.GetColumn<string>("Answer").ToArray());
        CollectionAssert.AreEqual(new[] { 1, 1 }, scored.GetColumn<int>("Index").ToArray());
        CollectionAssert.AreEqual(new[] { 2, 3 }, scored.GetColumn<float[]>("Score").Select(scores => scores.Length).ToArray());
    }

    [TestMethod]
    public void An_answer_that_one_token_joins_to_the_prompt_is_scored_as_it_is_alone_and_the_others_as_ever()
    {
        // GPT-2's "Answer" is one token, and so is " worse" of "hello worse": nothing is left behind the prompt's tokens. Alone, "wer" is 15448 and "ld" 335.
        // The model knows no context: e^3 : e^2 : 1 for these two and every other token.
        const int Wer = 15_448, Ld = 335;
        GptTokenizer gpt2 = PublishedRanks.Gpt2;
        float[] logits = new float[gpt2.VocabularySize];
        (logits[Wer], logits[Ld]) = (3, 2);
        double total = Math.Log(gpt2.VocabularySize - 2 + Math.Exp(3) + Math.Exp(2));
        using var model = new GptModel(new HistoryModel(gpt2.VocabularySize, 64, _ => logits), gpt2);
        string[] prompts = ["Ans", "hello wor", "a plain one", "with a space ", "with a line\n", "   "];
        string[][] answers = [["wer", "orak"], ["ld", "se"], [" red", " blue"], ["red", "blue"], ["red", "blue"], ["red", "blue"]];
        IReadOnlyList<ChoiceScores> scores = model.ScoreChoices(prompts, answers, new() { Separator = "", BatchSize = 3 });
        Assert.AreEqual((1, 1), (scores[0].TokenCounts[0], scores[1].TokenCounts[0]));
        Assert.AreEqual(3 - total, scores[0].LogLikelihoods[0], 1e-5);
        Assert.AreEqual(2 - total, scores[1].LogLikelihoods[0], 1e-5);
        Assert.AreEqual((0, 0), (scores[0].BestIndex, scores[1].BestIndex));

        // White space at a prompt's end belongs to the answer: " red" is one token, of which this model knows nothing.
        foreach (int i in new[] { 2, 3 }) CollectionAssert.AreEqual(new[] { 1, 1 }, scores[i].TokenCounts.ToArray());
        Assert.AreEqual(-total, scores[3].LogLikelihoods[0], 1e-5);
        for (int i = 2; i < prompts.Length; i++)
        {
            ChoiceScores alone = model.ScoreChoices([prompts[i]], [answers[i]], new() { Separator = "" })[0];
            CollectionAssert.AreEqual(alone.TokenCounts.ToArray(), scores[i].TokenCounts.ToArray());
            Assert.AreEqual(alone.LogLikelihoods[0], scores[i].LogLikelihoods[0], 1e-5);
        }
    }

    [TestMethod]
    public void Bad_candidates_and_columns_are_errors()
    {
        using GptModel model = TestModels.Saying(_ => "a", out _);
        GptTransformsCatalog transforms = _ml.Gpt().Transforms;
        Assert.ThrowsExactly<ArgumentException>(() => transforms.ScoreChoices("A", "Prompt", model, ["one"]));
        Assert.ThrowsExactly<ArgumentException>(() => transforms.ScoreChoices("A", "Prompt", model, ["one", "one"]));
        Assert.ThrowsExactly<ArgumentException>(() => transforms.ScoreChoices("A", "Prompt", model, ["one", " "]));
        Assert.ThrowsExactly<ArgumentException>(() => transforms.ScoreChoices("A", "Prompt", model, new ScoreChoicesOptions()));
        Assert.ThrowsExactly<ArgumentException>(() => transforms.ScoreChoices("A", "Prompt", model, new ScoreChoicesOptions { Choices = ["a", "b"], ChoicesColumnName = "Answers" }));
        IDataView data = _ml.Data.LoadFromEnumerable([new Question()]);
        var exception = Assert.ThrowsExactly<ColumnMismatchException>(() => transforms.ScoreChoices("A", "Prompt", model, new ScoreChoicesOptions { ChoicesColumnName = "Truth" }).Fit(data));
        Assert.AreEqual(("Truth", "a vector of texts"), (exception.ColumnName, exception.Expected));
        Assert.ThrowsExactly<ArgumentException>(() => model.ScoreChoices(["x"], [["a"], ["b"]]));
    }
}
