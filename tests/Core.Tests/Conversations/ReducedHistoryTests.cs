namespace MLNet.Gpt.Core.Tests.Conversations;

[TestClass]
public sealed class ReducedHistoryTests
{
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz .!\n"]);
    private static readonly ChatTemplate Strict = ChatTemplate.Default with { SystemMarker = "s", UserMarker = "u", AssistantMarker = "a" };

    [TestMethod]
    public void Without_alternation_the_assistant_may_begin_and_roles_may_repeat()
    {
        ConversationTurn[] reduced = [ConversationTurn.System("x"), ConversationTurn.Assistant("y"), ConversationTurn.User("z"), ConversationTurn.User("w")];
        ChatTemplate free = Strict with { RequiresAlternation = false };
        Assert.AreEqual("<|endoftext|>sx<|endoftext|>ay<|endoftext|>uz<|endoftext|>uw<|endoftext|>a", Letters.Decode(free.RenderPrompt(reduced, Letters).TokenIds, skipSpecialTokens: false));
        Assert.AreEqual(ConversationProblem.StartsWithAssistant, Assert.ThrowsExactly<ConversationException>(() => Strict.RenderPrompt(reduced, Letters)).Problem);
    }

    [TestMethod]
    public void Half_a_surrogate_pair_in_a_conversation_is_malformed()
    {
        foreach (string json in (string[])["""[{"role":"user","content":"\ud800"}]""", """[{"role":"\udc00","content":"a"}]""", """[{"\ud800":"user","content":"a"}]"""])
            Assert.AreEqual(ConversationProblem.MalformedJson, Assert.ThrowsExactly<ConversationException>(() => ConversationJson.Parse(json)).Problem, json);
    }

    [TestMethod]
    public void A_chat_template_of_another_program_is_told_by_its_missing_version_and_named()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["chat_template.json"], "{\"chat_template\":\"{{ messages }}\"}");
        Assert.AreEqual(folder["chat_template.json"], Assert.ThrowsExactly<ChatTemplateException>(() => ChatTemplate.Load(folder[""])).Path);
    }

    [TestMethod]
    public void Invalid_text_in_a_chat_template_or_configuration_is_a_corrupt_file()
    {
        using var folder = new TemporaryFolder();
        foreach (string json in (string[])["""{"version":1,"start":"\ud800"}""", """{"version":1,"\ud800":1}"""])
        {
            File.WriteAllText(folder["chat_template.json"], json);
            Assert.ThrowsExactly<CorruptFileException>(() => ChatTemplate.Load(folder[""]), json);
        }

        File.WriteAllBytes(folder["config.json"], [.. "{\"model_type\":\""u8, 0xff, .. "\"}"u8]);
        Assert.ThrowsExactly<CorruptFileException>(() => GptConfigJson.Read(folder["config.json"]));
    }
}
