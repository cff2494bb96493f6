using Microsoft.Extensions.AI;
using Microsoft.ML;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Models;

[TestClass]
public sealed class ModelCompanionsTests
{
    private const string ForeignTemplate = """{"chat_template":"{% for m in messages %}{{ m['content'] }}{% endfor %}"}""";

    [TestMethod]
    [DataRow("""{"_from_model_config":true,"bos_token_id":27,"eos_token_id":27}""", 0f, 0)] // silent: greedy
    [DataRow("""{"do_sample":true,"temperature":0.75}""", 0.75f, 50)]
    [DataRow("""{"do_sample":true,"top_k":null}""", 1f, 0)]
    [DataRow("""{"temperature":0.75}""", 0f, 0)]
    public void A_generation_config_means_what_it_means_to_transformers_and_is_kept_byte_for_byte(string json, float temperature, int topK)
    {
        using var folder = new TemporaryFolder();
        string package = TestModels.WritePackage(folder);
        File.WriteAllText(Path.Combine(package, "generation_config.json"), json);
        using GptModel model = GptModel.FromOnnx(package, GptDevice.Cpu);
        Assert.AreEqual((temperature, topK), (model.Generation.Temperature, model.Generation.TopK));
        Assert.AreEqual(model.Generate("abc", new() { Temperature = temperature, TopK = topK }), model.Generate("abc"));
        model.ExportOnnx(folder["again"]);
        Assert.AreEqual(json, File.ReadAllText(folder["again/generation_config.json"]));
    }

    [TestMethod]
    public void The_models_end_tokens_end_text_and_columns_also_after_save_and_load()
    {
        using var folder = new TemporaryFolder();
        string package = TestModels.WritePackage(folder);
        int end;
        using (GptModel plain = GptModel.FromOnnx(package, GptDevice.Cpu))
        {
            // What the model writes third, greedily, becomes an end token.
            end = TestModels.Letters.Encode(plain.Generate("abc", new() { Temperature = 0, MaxNewTokens = 8 }))[0];
        }

        File.WriteAllText(Path.Combine(package, "generation_config.json"), $$"""{"eos_token_id":[27,{{end}}]}""");
        using GptModel model = GptModel.FromOnnx(package, GptDevice.Cpu);
        GeneratedText text = model.Generate(["abc"], new() { Temperature = 0, MaxNewTokens = 8 })[0];
        Assert.AreEqual(("", FinishReason.StopToken), (text.Text, text.FinishReason));
        Assert.AreNotEqual("", model.Generate("abc", new() { Temperature = 0, MaxNewTokens = 8, StopAtEndOfText = false }));

        var ml = new MLContext(seed: 1);
        IDataView rows = ml.Data.LoadFromEnumerable([new Row { Text = "abc" }]);
        ITransformer fitted = ml.Gpt().Transforms.GenerateText("Answer", "Text", model, temperature: 0).Fit(rows);
        ml.Model.Save(fitted, rows.Schema, folder["model.zip"]);
        ITransformer loaded = ml.Model.Load(folder["model.zip"], out _);
        foreach (ITransformer transformer in (ITransformer[])[fitted, loaded])
            Assert.AreEqual("", ml.Data.CreateEnumerable<Answered>(transformer.Transform(rows), reuseRowObject: false).Single().Answer);
        (loaded as IDisposable)?.Dispose();
    }

    [TestMethod]
    public void Another_programs_chat_template_hinders_conversations_alone()
    {
        using var folder = new TemporaryFolder();
        string package = TestModels.WritePackage(folder), file = Path.Combine(package, ChatTemplate.FileName);
        File.WriteAllText(file, ForeignTemplate);
        using GptModel model = GptModel.FromOnnx(package, GptDevice.Cpu);
        model.Generate("abc");
        model.Score("abc");
        Assert.IsNull(model.ChatTemplate);
        foreach (Action chat in (Action[])[() => model.Chat([ConversationTurn.User("hi")]), () => model.AsChatClient()])
        {
            ChatTemplateException refused = Assert.ThrowsExactly<ChatTemplateException>(chat);
            Assert.AreEqual(file, refused.Path);
            Assert.Contains(file, refused.Message);
        }

        model.ExportOnnx(folder["again"]);
        Assert.AreEqual(ForeignTemplate, File.ReadAllText(folder["again/chat_template.json"]));
    }

    [TestMethod]
    public void A_token_over_the_join_of_prompt_and_answer_is_scored_as_the_answer_alone()
    {
        // The one merge is "ab": "a" is one token and "ab" is one token, so that nothing stands behind the prompt's.
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["ab ab ab"], new() { VocabularySize = 258, MinimumFrequency = 1 });
        Assert.HasCount(1, tokenizer.Encode("ab"));
        int only = tokenizer.Encode("b")[0];
        using var model = new GptModel(new HistoryModel(tokenizer.VocabularySize, 64, _ =>
        {
            float[] logits = new float[tokenizer.VocabularySize];
            logits[only] = 30; // e^-30 is left for all others
            return logits;
        }), tokenizer);
        IReadOnlyList<ChoiceScores> scores = model.ScoreChoices(["a", "x"], [["b", "cc"], ["b", "y"]], new() { Separator = "" });
        CollectionAssert.AreEqual(new[] { 1, 2 }, scores[0].TokenCounts.ToArray());
        Assert.AreEqual(0, scores[0].LogLikelihoods[0], 1e-6);
        Assert.AreEqual(0, scores[1].LogLikelihoods[0], 1e-6);
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";
    }

    private sealed class Answered
    {
        public string Answer { get; set; } = "";
    }
}
