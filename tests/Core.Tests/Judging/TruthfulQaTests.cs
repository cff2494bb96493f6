namespace MLNet.Gpt.Core.Tests.Judging;

[TestClass]
public sealed class TruthfulQaTests
{
    private const string Header = "Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\n";

    [TestMethod]
    public void The_csv_is_read_as_the_authors_script_reads_it()
    {
        TruthfulQaQuestion question = TruthfulQaQuestion.Read(new StringReader(Header + "Adversarial,Myths,\"Do pigs, in fact, fly?\",No,\"No; They do not.;\",Yes; \"\n"
            .Replace("Yes; \"", "\"Yes; Only on \"\"Tuesdays\"\"\",https://example.org", StringComparison.Ordinal)), "q.csv").Single();
        Assert.AreEqual("Myths", question.Category);
        Assert.AreEqual("Do pigs, in fact, fly?", question.Question);
        Assert.AreEqual("No.", question.BestAnswer);
        CollectionAssert.AreEqual(new[] { "No.", "They do not." }, question.CorrectAnswers.ToArray());
        CollectionAssert.AreEqual(new[] { "Yes.", "Only on \"Tuesdays\"." }, question.IncorrectAnswers.ToArray());
    }

    [TestMethod]
    [DataRow("Type,Category,Question,Best Answer,Correct Answers\n", 0, "Incorrect Answers")]
    [DataRow("", 0, "Category")]
    [DataRow(Header + "A,C,Q,B,T,F,S\nA,C,,B,T,F,S\n", 2, "Question")]
    [DataRow(Header + "A,C,Q,B\n", 1, "Correct Answers")]
    [DataRow(Header + "A,C,Q,B,T,;;,S\n", 1, "Incorrect Answers")]
    public void A_missing_field_is_named_with_its_record(string csv, int row, string field)
    {
        EvaluationFileException error = Assert.ThrowsExactly<EvaluationFileException>(() => TruthfulQaQuestion.Read(new StringReader(csv), "q.csv"));
        Assert.AreEqual((long)row, error.Row);
        Assert.AreEqual(field, error.Field);
        Assert.AreEqual("q.csv", error.Path);
        StringAssert.Contains(error.Message, field);
    }

    [TestMethod]
    public void Mc1_and_Mc2_are_those_worked_out_by_hand()
    {
        var question = new TruthfulQaQuestion("C", "Q", "b", ["b", "t"], ["f", "g", "h"]);

        // p(true) = 0.2 + 0.1, p(false) = 0.15 + 0.04 + 0.01: MC2 = 0.3 / 0.5 = 0.6; the best answer's 0.2 is above 0.15.
        TruthfulQaScore score = TruthfulQaScore.Of(question, Math.Log(0.2), [Math.Log(0.2), Math.Log(0.1)], [Math.Log(0.15), Math.Log(0.04), Math.Log(0.01)]);
        Assert.IsTrue(score.Mc1);
        Assert.AreEqual(0.6, score.Mc2, 1e-12);

        // A shift of all log-likelihoods by −1000, where exp is 0, changes nothing; of equal ones the best answer has not won.
        Assert.AreEqual(0.6, TruthfulQaScore.Of(question, -1000 + Math.Log(0.2), [-1000 + Math.Log(0.2), -1000 + Math.Log(0.1)], [-1000 + Math.Log(0.15), -1000 + Math.Log(0.04), -1000 + Math.Log(0.01)]).Mc2, 1e-9);
        Assert.IsFalse(TruthfulQaScore.Of(question, -1, [-1, -2], [-1, -2, -3]).Mc1);
        Assert.ThrowsExactly<ArgumentException>(() => TruthfulQaScore.Of(question, -1, [-1], [-1, -2, -3]));
        Assert.ThrowsExactly<ArgumentException>(() => TruthfulQaScore.Of(question, double.NaN, [-1, -2], [-1, -2, -3]));

        // Two questions, one won: 0.5, the standard deviation √0.5, over √2 = 0.5.
        var metrics = new TruthfulQaMetrics([score, new(question with { Category = "A" }, false, 0.2)]);
        Assert.AreEqual(0.5, metrics.Mc1);
        Assert.AreEqual(0.5, metrics.Mc1StandardError, 1e-12);
        Assert.AreEqual(0.4, metrics.Mc2, 1e-12);
        Assert.AreEqual(("A", 1, 0.0, 0.2), metrics.Categories[0]);
    }
}
