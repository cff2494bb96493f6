namespace MLNet.Gpt.Core.Tests.Conversations;

/// <summary>Conversations in the forms that data sets of other programs have: used, or refused by the name of what can't be.</summary>
[TestClass]
public sealed class ForeignConversationTests
{
    [TestMethod]
    [DataRow("""{"messages":[{"role":"user","content":"Weather?"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1"}]},{"role":"tool","tool_call_id":"c1","content":"sunny"}]}""", "content", 1)]
    [DataRow("""{"messages":[{"role":"user","content":"Weather?"},{"role":"assistant","tool_calls":[{"id":"c1"}]}]}""", "content", 1)]
    [DataRow("""{"messages":[{"role":"user","content":"Weather?"},{"role":"assistant","content":"Wait","tool_calls":[{"id":"c1"}]}]}""", "tool_calls", 1)]
    [DataRow("""[{"role":"developer","content":"Be brief"},{"role":"user","content":"Hi"}]""", "developer", 0)]
    [DataRow("""[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yo","weight":0}]""", "weight", 1)]
    [DataRow("""[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":"Hello"}]""", "content", 0)]
    [DataRow("""{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yo"}],"tools":[]}""", "tools", null)]
    [DataRow("""{"id":7,"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yo"}]}""", "id", null)]
    [DataRow("""{"conversations":[{"from":"human","value":"Hi"},{"from":"gpt","value":"Hello"}]}""", "conversations", null)]
    [DataRow("""[{"role":"user","role":"assistant","content":"Hi"},{"role":"assistant","content":"Hello"}]""", "role", null)]
    public void What_is_not_read_is_refused_by_name(string json, string member, int? turn)
    {
        ConversationException refused = Assert.ThrowsExactly<ConversationException>(() => ConversationJson.Parse(json));
        Assert.Contains($"{member}", refused.Message);
        Assert.AreEqual(turn, refused.TurnIndex);
    }

    [TestMethod]
    public void A_conversation_alone_or_under_messages_alone_is_read()
    {
        ConversationTurn[] expected = [ConversationTurn.User("Hi"), ConversationTurn.Assistant("Hello")];
        const string Turns = """[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"}]""";
        CollectionAssert.AreEqual(expected, ConversationJson.Parse(Turns).ToArray());
        CollectionAssert.AreEqual(expected, ConversationJson.Parse($$"""{"messages":{{Turns}}}""").ToArray());
    }
}
