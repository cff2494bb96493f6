using System.Text.RegularExpressions;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Text;

[TestClass]
public sealed partial class ConstrainedTextTests
{
    private static readonly string[] Prompts = ["ab", "hello", "c", "", "world"];

    private readonly MLContext _ml = new(seed: 1);

    [TestMethod]
    public void A_column_is_held_to_its_constraint_and_still_is_when_it_has_been_saved_and_loaded()
    {
        using var folder = new TemporaryFolder();
        using GptModel model = GptModel.FromOnnx(TestModels.WritePackage(folder));
        GenerateTextOptions options = new() { Constraint = TextConstraint.Regex("[a-c]{2,4}(?: é!)?"), MaxNewTokens = 12, FinishReasonColumnName = "Reason" };
        IDataView data = _ml.Data.LoadFromEnumerable(Row.Make(Prompts));
        ITransformer chain = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, options).Fit(data);
        string[] answers = [.. chain.Transform(data).GetColumn<string>("Answer")];
        Assert.IsTrue(answers.All(static answer => Form().IsMatch(answer)), string.Join('|', answers));
        Assert.IsTrue(answers.Distinct().Count() > 1, "They must differ, or the comparison shows little.");
        Assert.IsTrue(chain.Transform(data).GetColumn<string>("Reason").All(static reason => reason == "StopToken"));

        _ml.Model.Save(chain, data.Schema, folder["constrained.zip"]);
        ITransformer loaded = new MLContext().Model.Load(folder["constrained.zip"], out _);
        using var disposal = (IDisposable)loaded;
        CollectionAssert.AreEqual(answers, loaded.Transform(data).GetColumn<string>("Answer").ToArray());
    }

    [TestMethod]
    public void The_model_is_held_to_it_in_every_form_of_the_call()
    {
        using GptModel model = TestModels.Saying(static _ => "z", out _);
        GenerateTextOptions options = new() { Constraint = TextConstraint.Choice("yes.", "no!"), MaxNewTokens = 12, Seed = 3 };
        string answer = model.Generate("x", options);
        Assert.IsTrue(answer is "yes." or "no!", answer);
        Assert.AreEqual(answer, string.Concat(model.GenerateStreaming("x", options).ToBlockingEnumerable()));
        Assert.AreEqual(FinishReason.MaxNewTokens, model.Generate(["x"], options with { MaxNewTokens = 2 })[0].FinishReason);
        Assert.ThrowsExactly<ArgumentException>(() => model.GenerateConstrained(["x"], TextConstraint.Choice("a").Compile(model.Tokenizer), options));
    }

    [TestMethod]
    public void A_column_tells_the_log_probability_of_each_token()
    {
        // Uniform over the vocabulary: -ln V each.
        using var model = new GptModel(new HistoryModel(TestModels.Letters.VocabularySize, 32, static _ => new float[TestModels.Letters.VocabularySize]), TestModels.Letters);
        IDataView data = _ml.Data.LoadFromEnumerable(Row.Make(["a", "b"]));
        IDataView told = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, new() { Constraint = TextConstraint.Regex("[ab]{3}"), LogProbabilitiesColumnName = "Log" }).Fit(data).Transform(data);
        foreach (float[] logs in told.GetColumn<float[]>("Log"))
        {
            Assert.HasCount(3, logs);
            foreach (float log in logs) Assert.AreEqual(-Math.Log(TestModels.Letters.VocabularySize), log, 1e-5);
        }
    }

    [TestMethod]
    public void What_can_not_be_used_is_refused_when_the_transformer_is_made()
    {
        using GptModel model = TestModels.Saying(static _ => "z", out _);
        var error = Assert.ThrowsExactly<ConstraintException>(() => _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, new() { Constraint = TextConstraint.JsonObject() }));
        Assert.AreEqual(ConstraintProblem.MissingCharacters, error.Problem);
        StringAssert.Contains(error.Message, "(U+0022)");
    }

    [GeneratedRegex(@"\A[a-c]{2,4}(?: é!)?\z")]
    private static partial Regex Form();
}
