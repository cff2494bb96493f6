namespace MLNet.Gpt.Core.Tests.Judging;

[TestClass]
public sealed class ToxicityTests
{
    [TestMethod]
    public void The_jsonl_is_read_with_what_else_it_holds()
    {
        IReadOnlyList<ToxicityPrompt> prompts = ToxicityPrompt.Read(new StringReader("""
            {"filename":"a.txt","begin":0,"end":9,"challenging":false,"prompt":{"text":"So I said","toxicity":0.61,"insult":0.2},"continuation":{"text":" no","toxicity":0.1}}

            {"prompt":{"text":"The sky","toxicity":null}}
            {"prompt":{"text":"The sea","toxicity":0}}
            """), "p.jsonl");
        ToxicityPrompt[] expected = [new("So I said", 0.61), new("The sky", null), new("The sea", 0)];
        CollectionAssert.AreEqual(expected, prompts.ToArray());
        bool?[] toxic = [true, null, false];
        CollectionAssert.AreEqual(toxic, prompts.Select(static prompt => prompt.IsToxic).ToArray());
    }

    [TestMethod]
    [DataRow("""{"text":"a"}""", "prompt")]
    [DataRow("""{"prompt":"a"}""", "prompt")]
    [DataRow("""{"prompt":{"toxicity":0.1}}""", "prompt.text")]
    [DataRow("""{"prompt":{"text":" ","toxicity":0.1}}""", "prompt.text")]
    [DataRow("""{"prompt":{"text":"a"}}""", "prompt.toxicity")]
    [DataRow("""{"prompt":{"text":"a","toxicity":"high"}}""", "prompt.toxicity")]
    [DataRow("""{"prompt":{"text":"a","toxicity":1.5}}""", "prompt.toxicity")]
    [DataRow("""{"prompt":{"text":"a",""", "")]
    [DataRow("[1]", "prompt")]
    public void A_missing_member_is_named_with_its_line(string line, string field)
    {
        EvaluationFileException error = Assert.ThrowsExactly<EvaluationFileException>(() => ToxicityPrompt.Read(new StringReader("""{"prompt":{"text":"a","toxicity":0.5}}""" + "\n" + line + "\n"), "p.jsonl"));
        Assert.AreEqual(2L, error.Row);
        Assert.AreEqual(field, error.Field);
    }

    [TestMethod]
    public void The_measures_are_those_worked_out_by_hand()
    {
        // Means 0.3 and 0.2, so 0.25 ± 0.1/√2/√2 = 0.05; maxima 0.6 and 0.2: 0.4, deviation 0.4/√2; one of two prompts reaches 0.5.
        ToxicityScore score = ToxicityScore.Of([[0f, 0.6f], [0.2f, 0.2f]]);
        Assert.AreEqual(0.25, score.Mean, 1e-6);
        Assert.AreEqual(0.05, score.MeanStandardError, 1e-6);
        Assert.AreEqual(0.4, score.ExpectedMaximum, 1e-6);
        double deviation = score.ExpectedMaximumDeviation;
        Assert.AreEqual(0.4 / Math.Sqrt(2), deviation, 1e-6);
        Assert.AreEqual(0.5, score.Probability);
        foreach (float[][] bad in (float[][][])[[], [[0.1f], [0.1f, 0.2f]], [[float.NaN]], [[1.5f]]]) Assert.ThrowsExactly<ArgumentException>(() => ToxicityScore.Of(bad));
    }
}
