using Microsoft.ML;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Text;

[TestClass]
public sealed class ConversationColumnTests
{
    private static readonly ChatTemplate Template = ChatTemplate.Default with { SystemMarker = null, UserMarker = "u", AssistantMarker = "a" };

    private readonly MLContext _ml = new(seed: 1);

    // Repeats the user's last letter three times and ends the turn.
    private static GptModel Echo()
    {
        var engine = new HistoryModel(TestModels.Letters.VocabularySize, 64, history =>
        {
            string text = TestModels.Letters.Decode(history);
            int answer = text.LastIndexOf("<|endoftext|>a", StringComparison.Ordinal);
            float[] logits = new float[TestModels.Letters.VocabularySize];
            string said = text[(answer + "<|endoftext|>a".Length)..];
            logits[said.Length < 3 ? TestModels.Letters.Encode(text[answer - 1].ToString())[0] : TestModels.Letters.EndOfTextId] = 30;
            return logits;
        });
        return new GptModel(engine, TestModels.Letters, Template);
    }

    private IDataView Data(params string[] texts) => _ml.Data.LoadFromEnumerable(Row.Make(texts));

    private static GenerateTextOptions Options { get; } = new() { PromptForm = PromptForm.Conversation, MaxNewTokens = 10, FinishReasonColumnName = "Reason", TokenCountColumnName = "Count" };

    [TestMethod]
    public void A_column_of_conversations_is_answered_turn_by_turn()
    {
        using GptModel model = Echo();
        string two = ConversationJson.Write([ConversationTurn.User("x"), ConversationTurn.Assistant("y"), ConversationTurn.User("z")]);
        IDataView data = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, Options).Fit(Data("")).Transform(Data("""[{"role":"user","content":"hi"}]""", two));
        AnsweredRow[] rows = [.. _ml.Data.CreateEnumerable<AnsweredRow>(data, reuseRowObject: false)];
        CollectionAssert.AreEqual(new[] { ("iii", "StopToken", 3), ("zzz", "StopToken", 3) }, rows.Select(row => (row.Answer, row.Reason, row.Count)).ToArray());
    }

    [TestMethod]
    public void A_row_that_is_no_conversation_is_named()
    {
        using GptModel model = Echo();
        IDataView data = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, Options).Fit(Data("")).Transform(Data("""[{"role":"assistant","content":"hi"}]"""));
        var exception = Assert.ThrowsExactly<ConversationException>(() => _ml.Data.CreateEnumerable<AnsweredRow>(data, reuseRowObject: false).ToArray());
        Assert.AreEqual(ConversationProblem.StartsWithAssistant, exception.Problem);
        Assert.StartsWith("Column 'Text', row 0:", exception.Message);
    }

    [TestMethod]
    public void A_model_without_template_takes_no_conversations()
    {
        using GptModel model = TestModels.Saying(_ => "", out _);
        Assert.ThrowsExactly<ChatTemplateException>(() => _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, Options));
    }

    [TestMethod]
    public void The_template_travels_with_a_package_and_with_a_saved_pipeline()
    {
        using var folder = new TemporaryFolder();
        string path = TestModels.WritePackage(folder);
        Template.Save(path);
        using GptModel model = GptModel.FromOnnx(path, GptDevice.Cpu);
        Assert.AreEqual(Template, model.ChatTemplate);
        model.ExportOnnx(folder["again"]);
        Assert.AreEqual(Template, ChatTemplate.Load(folder["again"]));

        IDataView data = Data("""[{"role":"user","content":"hi"}]""");
        GenerateTextTransformer transformer = _ml.Gpt().Transforms.GenerateText("Answer", "Text", model, Options with { Temperature = 0 }).Fit(data);
        _ml.Model.Save(transformer, data.Schema, folder["model.zip"]);
        using var loaded = (GenerateTextTransformer)_ml.Model.Load(folder["model.zip"], out _);
        Assert.AreEqual(Template, loaded.Model.ChatTemplate);
        string Answer(GenerateTextTransformer from) => _ml.Data.CreateEnumerable<AnsweredRow>(from.Transform(data), reuseRowObject: false).Single().Answer;
        Assert.AreEqual(Answer(transformer), Answer(loaded));
    }
}
