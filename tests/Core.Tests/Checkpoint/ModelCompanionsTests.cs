using System.Text.Json.Nodes;

namespace MLNet.Gpt.Core.Tests.Checkpoint;

[TestClass]
public sealed class ModelCompanionsTests
{
    // Ids 0 to 3, and 4 for the end of a text.
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcd"]);

    [TestMethod]
    public void A_folder_without_any_has_the_defaults()
    {
        using var folder = new TemporaryFolder();
        ModelCompanions found = ModelCompanions.Load(folder.Path, Letters);
        Assert.IsNull(found.BeginTokenId);
        Assert.IsNull(found.ChatTemplate);
        Assert.IsNull(found.ChatTemplateProblem);
        Assert.IsEmpty(found.Generation.StopTokenIds);
        found.Save(Directory.CreateDirectory(folder["out"]).FullName);
        Assert.IsEmpty(TemporaryFolder.NamesIn(folder["out"]));
        Assert.AreEqual("folder", Assert.ThrowsExactly<ArgumentNullException>(() => ModelCompanions.Load(null!, Letters)).ParamName);
        Assert.AreEqual("folder", Assert.ThrowsExactly<ArgumentException>(() => ModelCompanions.Load("", Letters)).ParamName);
        Assert.AreEqual("tokenizer", Assert.ThrowsExactly<ArgumentNullException>(() => ModelCompanions.Load(folder.Path, null!)).ParamName);
        Assert.AreEqual("folder", Assert.ThrowsExactly<ArgumentException>(() => found.Save("")).ParamName);
    }

    // generation_config.json goes before config.json, and each of the two tokens is looked up by itself. The tokenizer's own end of text, and ids that it does not have, say nothing.
    [TestMethod]
    [DataRow(null, null, -1, "")]
    [DataRow("""{"bos_token_id":0,"eos_token_id":[1,2]}""", """{"bos_token_id":3,"eos_token_id":3}""", 0, "1 2")]
    [DataRow("""{"bos_token_id":0}""", """{"bos_token_id":3,"eos_token_id":3}""", 0, "3")]
    [DataRow("""{"eos_token_id":2}""", """{"bos_token_id":3,"eos_token_id":3}""", 3, "2")]
    [DataRow("""{}""", """{"bos_token_id":3,"eos_token_id":[0,0,1]}""", 3, "0 1")]
    [DataRow(null, """{"bos_token_id":3,"eos_token_id":0}""", 3, "0")]
    [DataRow("""{"bos_token_id":0}""", null, 0, "")]
    [DataRow("""{"bos_token_id":4,"eos_token_id":[4,1]}""", null, -1, "1")]
    [DataRow("""{"bos_token_id":5,"eos_token_id":[5,7,3]}""", null, -1, "3")]
    [DataRow("""{"bos_token_id":-1,"eos_token_id":4}""", null, -1, "")]
    public void The_two_tokens_come_from_whichever_file_names_them(string? generation, string? config, int begin, string ends)
    {
        using var folder = new TemporaryFolder();
        if (generation is not null) folder.Write("generation_config.json", generation);
        if (config is not null) folder.Write("config.json", config);
        ModelCompanions found = ModelCompanions.Load(folder.Path, Letters);
        Assert.AreEqual((begin, ends), (found.BeginTokenId ?? -1, string.Join(' ', found.Generation.StopTokenIds)));
    }

    [TestMethod]
    public void Files_with_a_byte_order_mark_are_read()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["generation_config.json"], "{}", System.Text.Encoding.UTF8);
        File.WriteAllText(folder["config.json"], """{"bos_token_id":3,"eos_token_id":1}""", System.Text.Encoding.UTF8);
        ModelCompanions found = ModelCompanions.Load(folder.Path, Letters);
        Assert.AreEqual((3, "1"), (found.BeginTokenId ?? -1, string.Join(' ', found.Generation.StopTokenIds)));
    }

    // What is saved says it all by itself: config.json is written anew without these tokens.
    [TestMethod]
    [DataRow("""{"bos_token_id":0,"eos_token_id":2,"penalty_alpha":0.5}""", """{"bos_token_id":3}""", """{"bos_token_id":0,"eos_token_id":2,"penalty_alpha":0.5}""")]
    [DataRow("""{"top_k":7}""", """{"bos_token_id":3,"eos_token_id":[0,1]}""", """{"top_k":7,"bos_token_id":3,"eos_token_id":[0,1]}""")]
    [DataRow("""{"eos_token_id":2}""", """{"bos_token_id":3,"eos_token_id":1}""", """{"eos_token_id":2,"bos_token_id":3}""")]
    [DataRow("""{"bos_token_id":2}""", """{"bos_token_id":3,"eos_token_id":1}""", """{"bos_token_id":2,"eos_token_id":[1]}""")]
    [DataRow(null, """{"eos_token_id":1}""", """{"do_sample":true,"temperature":1,"top_k":0,"top_p":1,"repetition_penalty":1,"eos_token_id":[1]}""")]
    [DataRow(null, """{"bos_token_id":1}""", """{"do_sample":true,"temperature":1,"top_k":0,"top_p":1,"repetition_penalty":1,"bos_token_id":1}""")]
    [DataRow(null, """{"bos_token_id":4,"eos_token_id":4}""", null)]
    public void What_is_saved_says_both_tokens(string? generation, string config, string? expected)
    {
        using var folder = new TemporaryFolder();
        if (generation is not null) folder.Write("generation_config.json", generation);
        folder.Write("config.json", config);
        string saved = Directory.CreateDirectory(folder["out"]).FullName;
        ModelCompanions.Load(folder.Path, Letters).Save(saved);
        CollectionAssert.AreEqual(expected is null ? Array.Empty<string>() : ["generation_config.json"], TemporaryFolder.NamesIn(saved));
        if (expected is null) return;
        string text = File.ReadAllText(folder["out/generation_config.json"]);
        Assert.AreEqual(expected, JsonNode.Parse(text)!.ToJsonString());
        Assert.AreEqual(text == generation, !text.Contains('\n', StringComparison.Ordinal)); // as it was, byte for byte, or written anew
    }

    [TestMethod]
    public void A_chat_template_is_loaded_saved_and_replaced()
    {
        using var folder = new TemporaryFolder();
        ChatTemplate template = ChatTemplate.Default with { SystemMarker = null, UserMarker = "a", AssistantMarker = "b" }, other = template with { UserMarker = "c" };
        template.Save(folder.Path);
        ModelCompanions found = ModelCompanions.Load(folder.Path, Letters);
        Assert.AreEqual(template, found.ChatTemplate);
        Assert.AreEqual(template, found.TemplateOr(null));
        Assert.AreEqual(other, found.TemplateOr(other));
        Assert.AreEqual(ChatTemplate.Default, ModelCompanions.None.TemplateOr(null));
        Assert.AreSame(found, found.With(null));
        found.Save(Directory.CreateDirectory(folder["same"]).FullName);
        Assert.AreEqual(template, ChatTemplate.Load(folder["same"]));
        found.With(other).Save(Directory.CreateDirectory(folder["other"]).FullName);
        Assert.AreEqual(other, ChatTemplate.Load(folder["other"]));
    }

    [TestMethod]
    public void A_template_that_can_not_be_used_is_kept_and_its_problem_told_where_it_is_asked_for()
    {
        using var folder = new TemporaryFolder();
        folder.Write("generation_config.json", """{"bos_token_id":0,"eos_token_id":2}""");
        string path = folder.Write("chat_template.json", """{"chat_template":"another program's"}""");
        ModelCompanions found = ModelCompanions.Load(folder.Path, Letters);
        Assert.IsNull(found.ChatTemplate);
        Assert.AreEqual(path, found.ChatTemplateProblem!.Path);
        StringAssert.StartsWith(found.ChatTemplateProblem.Message, $"The chat template in {path} is another program's:");
        Assert.AreSame(found.ChatTemplateProblem, Assert.ThrowsExactly<ChatTemplateException>(() => found.TemplateOr(null)));
        found.Save(Directory.CreateDirectory(folder["out"]).FullName);
        CollectionAssert.AreEqual(new[] { "chat_template.json", "generation_config.json" }, TemporaryFolder.NamesIn(folder["out"]));

        // One of this library's, whose end of turn the tokenizer does not have; with the file for other programs beside it.
        ChatTemplate.ChatMl.Save(folder.Path);
        found = ModelCompanions.Load(folder.Path, Letters);
        Assert.IsNull(found.ChatTemplate);
        Assert.AreEqual(path, found.ChatTemplateProblem!.Path);
        StringAssert.StartsWith(found.ChatTemplateProblem.Message, $"The chat template in {path} can't be used: ");
        StringAssert.EndsWith(found.ChatTemplateProblem.Message, " Write a template of this library there with ChatTemplate.Save, or fine-tune the model on conversations with one.");
        found.Save(folder["out"]);
        CollectionAssert.AreEqual(new[] { "chat_template.jinja", "chat_template.json", "generation_config.json" }, TemporaryFolder.NamesIn(folder["out"]));

        // Another template takes its place, and nothing of the old one is written.
        ChatTemplate template = ChatTemplate.Default with { SystemMarker = null, UserMarker = "a", AssistantMarker = "b" };
        ModelCompanions replaced = found.With(template);
        Assert.IsNull(replaced.ChatTemplateProblem);
        replaced.Save(Directory.CreateDirectory(folder["replaced"]).FullName);
        Assert.AreEqual(template, ChatTemplate.Load(folder["replaced"]));
        CollectionAssert.AreEqual(new[] { "chat_template.jinja", "chat_template.json", "generation_config.json" }, TemporaryFolder.NamesIn(folder["replaced"]));
    }
}
