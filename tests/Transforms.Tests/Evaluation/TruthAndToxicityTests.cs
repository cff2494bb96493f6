using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Transforms.Tests.Evaluation;

[TestClass]
public sealed class TruthAndToxicityTests
{
    private static readonly MLContext Ml = new(seed: 1);

    // The policy writes "a" with 0.8·0.75 = 0.6 and "b" with 0.2 at each token; a space or a full stop costs the same in every answer. So ln p of an answer of letters is their sum.
    [TestMethod]
    public void Mc1_and_Mc2_come_from_the_likelihoods_of_the_answers()
    {
        GptTokenizer letters = TestModels.Letters;
        float[] logits = [.. Enumerable.Repeat((float)Math.Log(0.01), letters.VocabularySize)];
        logits[letters.Encode("a").Single()] = (float)Math.Log(0.6);
        logits[letters.Encode("b").Single()] = (float)Math.Log(0.2);
        using var model = new GptModel(new Core.Tests.HistoryModel(letters.VocabularySize, 64, _ => [.. logits]), letters);
        TruthfulQaQuestion[] questions = [new("x", "who", "a.", ["a.", "ab."], ["b.", "bb."]), new("y", "why", "b.", ["b."], ["a."])];
        TruthfulQaMetrics found = Ml.Gpt().Evaluate.TruthfulQa(questions, model, "{Question} ");

        // 0.6 + 0.12 against 0.2 + 0.04, and 0.2 against 0.6.
        Assert.AreEqual(0.5, found.Mc1);
        Assert.IsTrue(found.Scores[0].Mc1);
        Assert.AreEqual(0.72 / 0.96, found.Scores[0].Mc2, 1e-5);
        Assert.AreEqual(0.25, found.Scores[1].Mc2, 1e-5);

        // A template's special tokens are special tokens; Letters has no "<" that they could be written with.
        Assert.AreEqual(found.Mc2, Ml.Gpt().Evaluate.TruthfulQa(questions, model, "{Question}<|endoftext|>").Mc2, 1e-6);
        Assert.ThrowsExactly<ArgumentException>(() => Ml.Gpt().Evaluate.TruthfulQa(questions, model, "no field"));
        Assert.ThrowsExactly<ArgumentException>(() => Ml.Gpt().Evaluate.TruthfulQa([], model));
    }

    [TestMethod]
    public void A_classifier_of_MLNET_judges_the_continuations_under_each_instruction()
    {
        // What follows "m" is an "a", what follows anything else a "b"; the judge has learnt that a text with an "a" is toxic.
        GptTokenizer letters = TestModels.Letters;
        using GptModel model = TestModels.Saying(static text => text.EndsWith('a') || text.EndsWith('b') ? "" : text.StartsWith('m') ? "a" : "b", out _);
        IDataView labelled = Ml.Data.LoadFromEnumerable(Enumerable.Range(0, 60).Select(static i => new Labelled { Text = i % 2 == 0 ? "a" : "b", Label = i % 2 == 0 }));
        ITransformer judge = Ml.Transforms.Text.FeaturizeText("Features", "Text").Append(Ml.BinaryClassification.Trainers.LbfgsLogisticRegression()).Fit(labelled);
        ToxicityPrompt[] prompts = [new("d", 0.9), new("e", 0.1), new("f", null)];
        ToxicityOptions options = new() { Instructions = [("mean", "m"), ("none", "")], Samples = 3, Generation = new() { MaxNewTokens = 4 } };
        IReadOnlyList<ToxicityMetrics> found = Ml.Gpt().Evaluate.RealToxicityPrompts(prompts, model, judge, options);
        CollectionAssert.AreEqual(new[] { "mean", "none" }, found.Select(static one => one.Instruction).ToArray());
        Assert.AreEqual(1, found[0].All.Probability);
        Assert.AreEqual(0, found[1].All.Probability);
        Assert.IsGreaterThan(0.5, found[0].All.Mean);
        Assert.IsLessThan(0.5, found[1].All.ExpectedMaximum);
        Assert.AreEqual((3, 1, 1, 3), (found[0].All.Prompts, found[0].ToxicPrompts!.Prompts, found[0].OtherPrompts!.Prompts, found[0].All.Samples));

        // A prompt that comes again is continued alike: it tells nothing more.
        Assert.AreEqual(found[0], Ml.Gpt().Evaluate.RealToxicityPrompts([.. prompts, .. prompts], model, judge, options)[0]);

        // A vector of probabilities, of which one class is the toxic one.
        IDataView keyed = Ml.Transforms.Conversion.MapValueToKey("Label").Fit(labelled).Transform(labelled);
        ITransformer classes = Ml.Transforms.Text.FeaturizeText("Features", "Text").Append(Ml.MulticlassClassification.Trainers.LbfgsMaximumEntropy()).Fit(keyed);
        Assert.AreEqual(1, Ml.Gpt().Evaluate.RealToxicityPrompts(prompts, model, classes, options with { ScoreColumnName = "Score", ToxicClass = 0 })[0].All.Probability);
        Assert.ThrowsExactly<ColumnMismatchException>(() => Ml.Gpt().Evaluate.RealToxicityPrompts(prompts, model, judge, options with { ScoreColumnName = "None" }));
        Assert.ThrowsExactly<ColumnMismatchException>(() => Ml.Gpt().Evaluate.RealToxicityPrompts(prompts, model, judge, options with { ToxicClass = 0 }));
        Assert.ThrowsExactly<ArgumentException>(() => Ml.Gpt().Evaluate.RealToxicityPrompts(prompts, model, judge, options with { ScoreColumnName = "Score" }), "a score is no probability");
        Assert.ThrowsExactly<ArgumentException>(() => (options with { Instructions = [("a", ""), ("a", "")] }).Validate());
        CollectionAssert.AreEqual(new[] { "respectful", "none", "toxic" }, new ToxicityOptions().Instructions.Select(static one => one.Name).ToArray());
    }

    [TestMethod]
    public void The_report_holds_everything_and_asks_for_nothing_from_elsewhere()
    {
        using GptModel often = Policies.Coin(0.8), seldom = Policies.Coin(0.3);
        using GptRewardModel judge = CountingReward.Of('a', out _);
        PolicyComparison comparison = Ml.Gpt().Evaluate.Policies(PolicyComparisonTests.Prompts(30), "Prompt", [("often", often), ("seldom <script>", seldom)], judge, new() { Reference = seldom, Generation = new() { MaxNewTokens = 20 } });
        var question = new TruthfulQaQuestion("x", "who", "a.", ["a."], ["b."]);
        string path = Path.Combine(Path.GetTempPath(), $"mlnet-gpt-report-{Guid.NewGuid():N}.html");
        try
        {
            new AlignmentReport
            {
                Title = "Run 1 & 2", Notes = ["seed 1"], Comparison = comparison,
                Truthfulness = [("often", new([TruthfulQaScore.Of(question, -1, [-1], [-2])]))],
                Toxicity = [("often", [new("none", ToxicityScore.Of([[0.1f], [0.7f]]), null, null)])],
            }.Save(path);
            string page = File.ReadAllText(path);
            foreach (string part in (string[])["Run 1 &amp; 2", "seed 1", "often over seldom", "MC1", "mean toxicity", "<circle", "seldom &lt;script&gt;", "Bradley", "&#177; standard error", "<th>won</th><th>tied</th><th>lost</th>", "name=\"viewport\""]) StringAssert.Contains(page, part);
            foreach (object one in (object[])[ToxicityScore.Of([[0.1f], [0.7f]]), new TruthfulQaMetrics([TruthfulQaScore.Of(question, -1, [-1], [-2]), TruthfulQaScore.Of(question, -1, [-1], [-3])]), comparison.Policies[0]]) StringAssert.Contains(one.ToString(), " ± ");
            foreach (object one in (object[])[ToxicityScore.Of([[0.1f]]), new TruthfulQaMetrics([TruthfulQaScore.Of(question, -1, [-1], [-2])]), new JudgedPolicy("p", 1, double.NaN, 1, 1, 1, 1, double.NaN)]) Assert.DoesNotContain("±", one.ToString()!);
            Assert.IsFalse(page.Contains("NaN", StringComparison.Ordinal), "one question has no standard error");
            WinRate rate = comparison.WinRates.Single().WinRate;
            StringAssert.Contains(page, FormattableString.Invariant($"<td class=\"number\">{rate.Wins}</td><td class=\"number\">{rate.Ties}</td><td class=\"number\">{rate.Losses}</td><td class=\"number\">{rate.Rate:P1}</td><td class=\"number\">{rate.Lower:P1} to {rate.Upper:P1}</td>"));
            Assert.IsFalse(page.Contains("<script", StringComparison.OrdinalIgnoreCase));
            Assert.IsFalse(page.Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal).Replace("http-equiv", "", StringComparison.Ordinal).Contains("http", StringComparison.OrdinalIgnoreCase), "nothing is fetched");
            Assert.HasCount(comparison.Samples.Count, page.Split("<pre>").Where(static (_, i) => i > 0).Chunk(3).ToArray());
        }
        finally
        {
            File.Delete(path);
        }
    }

    private sealed class Labelled
    {
        public string Text { get; set; } = "";

        public bool Label { get; set; }
    }
}
