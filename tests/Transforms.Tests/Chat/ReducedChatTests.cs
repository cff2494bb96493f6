#pragma warning disable MEAI001 // Microsoft.Extensions.AI marks its reducers as experimental
using Microsoft.Extensions.AI;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Chat;

/// <summary>Histories as Microsoft.Extensions.AI's own reducer leaves them.</summary>
[TestClass]
public sealed class ReducedChatTests
{
    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz 0123456789.!\n"]);

    private static readonly ChatTemplate Strict = ChatTemplate.Default with { SystemMarker = "s", UserMarker = "u", AssistantMarker = "a" };

    private static readonly ChatMessage[] History =
    [
        new(ChatRole.System, "be kind"), new(ChatRole.User, "u1"), new(ChatRole.Assistant, "a1"), new(ChatRole.User, "u2"), new(ChatRole.Assistant, "a2"), new(ChatRole.User, "u3"),
    ];

    [TestMethod]
    public async Task A_history_that_begins_with_the_assistant_is_answered_where_the_template_asks_for_no_alternation()
    {
        // Of [S, u1, a1, u2, a2, u3] a reducer to four messages keeps [S, a1, u2, a2, u3].
        string? seen = null;
        using GptModel model = Answering(Strict with { RequiresAlternation = false }, prompt => seen = prompt);
        using IChatClient client = model.AsChatClient().AsBuilder().UseChatReducer(new MessageCountingChatReducer(4)).Build();
        ChatResponse response = await client.GetResponseAsync(History);
        Assert.AreEqual("ok", response.Text);
        Assert.AreEqual("<|endoftext|>sbe kind<|endoftext|>aa1<|endoftext|>uu2<|endoftext|>aa2<|endoftext|>uu3<|endoftext|>a", seen);
    }

    [TestMethod]
    public async Task A_template_that_asks_for_alternation_refuses_it_by_the_turn_and_the_remedy()
    {
        using GptModel model = Answering(Strict, static _ => { });
        using IChatClient client = model.AsChatClient().AsBuilder().UseChatReducer(new MessageCountingChatReducer(4)).Build();
        var exception = await Assert.ThrowsExactlyAsync<ConversationException>(() => client.GetResponseAsync(History));
        Assert.AreEqual(ConversationProblem.StartsWithAssistant, exception.Problem);
        Assert.Contains(nameof(ChatTemplate.RequiresAlternation), exception.Message);
    }

    private static GptModel Answering(ChatTemplate template, Action<string> seen)
    {
        int[] answer = [.. Letters.Encode("ok"), Letters.EndOfTextId];
        int? start = null;
        var engine = new HistoryModel(Letters.VocabularySize, 128, history =>
        {
            if (start is null) seen(Letters.Decode([.. history], skipSpecialTokens: false));
            start ??= history.Count;
            float[] logits = new float[Letters.VocabularySize];
            logits[answer[history.Count - start.Value]] = 30;
            return logits;
        });
        return new GptModel(engine, Letters, template);
    }
}
