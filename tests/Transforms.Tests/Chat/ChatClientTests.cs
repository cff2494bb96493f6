using Microsoft.Extensions.AI;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Chat;

[TestClass]
public sealed class ChatClientTests
{
    private static readonly ChatTemplate Template = ChatTemplate.Default with { SystemMarker = "s", UserMarker = "u", AssistantMarker = "a" };

    private static readonly GptTokenizer Letters = GptTokenizer.FromCharacters(["abcdefghijklmnopqrstuvwxyz .!\n"]);

    // Says a text, letter by letter, and ends the turn; what it says may depend on what it was given.
    private static GptModel Saying(Func<string, string> answer, int contextLength = 64, ChatTemplate? template = null)
    {
        int[]? prompt = null;
        var engine = new HistoryModel(Letters.VocabularySize, contextLength, history =>
        {
            prompt ??= [.. history];
            if (history.Count < prompt.Length || !history.Take(prompt.Length).SequenceEqual(prompt)) prompt = [.. history];
            string said = answer(Letters.Decode(prompt, skipSpecialTokens: false));
            int at = history.Count - prompt.Length;
            float[] logits = new float[Letters.VocabularySize];
            logits[at < said.Length ? Letters.Encode(said[at].ToString())[0] : Letters.EndOfTextId] = 30;
            return logits;
        });
        return new GptModel(engine, Letters, template ?? Template);
    }

    [TestMethod]
    public async Task A_conversation_is_answered_and_counted()
    {
        string? seen = null;
        using GptModel model = Saying(prompt => { seen = prompt; return "hello there"; });
        using IChatClient client = model.AsChatClient(new() { ModelId = "tiny" });
        ChatResponse response = await client.GetResponseAsync([new(ChatRole.System, "be kind"), new(ChatRole.User, "hi"), new(ChatRole.Assistant, "yes"), new(ChatRole.User, "go")]);
        Assert.AreEqual("<|endoftext|>sbe kind<|endoftext|>uhi<|endoftext|>ayes<|endoftext|>ugo<|endoftext|>a", seen);
        Assert.AreEqual("hello there", response.Text);
        Assert.AreEqual((ChatFinishReason.Stop, "tiny", ChatRole.Assistant), (response.FinishReason!.Value, response.ModelId, response.Messages[0].Role));

        // 1 + (1 + 7 + 1) + (1 + 2 + 1) + (1 + 3 + 1) + (1 + 2 + 1) + 1 = 24 tokens in, 11 out; the end-of-turn token is not counted.
        Assert.AreEqual((24L, 11L, 35L), (response.Usage!.InputTokenCount!.Value, response.Usage.OutputTokenCount!.Value, response.Usage.TotalTokenCount!.Value));
    }

    [TestMethod]
    public async Task Streaming_gives_the_same_text_then_reason_and_usage()
    {
        using GptModel model = Saying(_ => "one two three");
        using IChatClient client = model.AsChatClient();
        var updates = new List<ChatResponseUpdate>();
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync("count")) updates.Add(update);
        Assert.IsGreaterThan(5, updates.Count);
        ChatResponse response = updates.ToChatResponse();
        Assert.AreEqual(("one two three", ChatFinishReason.Stop), (response.Text, response.FinishReason!.Value));
        Assert.AreEqual(13, response.Usage!.OutputTokenCount);
        Assert.AreEqual(1, updates.Select(update => update.ResponseId).Distinct().Count());
    }

    [TestMethod]
    public async Task Options_are_honoured()
    {
        using GptModel model = Saying(_ => "one two three");
        using IChatClient client = model.AsChatClient();
        ChatResponse limited = await client.GetResponseAsync("go", new() { MaxOutputTokens = 4 });
        Assert.AreEqual(("one ", ChatFinishReason.Length), (limited.Text, limited.FinishReason!.Value));
        ChatResponse stopped = await client.GetResponseAsync("go", new() { StopSequences = ["two"], Temperature = 0, Seed = 3, TopK = 2, TopP = 0.5f, ResponseFormat = ChatResponseFormat.Text });
        Assert.AreEqual(("one ", ChatFinishReason.Stop), (stopped.Text, stopped.FinishReason!.Value));
    }

    [TestMethod]
    public void Each_option_of_a_call_goes_before_the_clients_and_stop_sequences_come_beside_its_own()
    {
        using GptModel model = Saying(_ => "x");
        var own = new GenerateTextOptions { Temperature = 0.5f, TopP = 0.8f, TopK = 5, FrequencyPenalty = 0.25f, PresencePenalty = 0.75f, MaxNewTokens = 7, StopStrings = ["a"], Seed = 3, MinP = 0.1f };
        var client = new GptChatClientOptions { Generation = own };
        ChatMessage[] messages = [new(ChatRole.User, "go")];
        Assert.AreEqual("0.5 0.8 5 0.25 0.75 7 a 3 0.1", Told(null));
        Assert.AreEqual("0.5 0.8 5 0.25 0.75 7 a 3 0.1", Told(new()));
        Assert.AreEqual("0.6 0.9 6 -0.5 1.5 8 a b c 4 0.1", Told(new() { Temperature = 0.6f, TopP = 0.9f, TopK = 6, FrequencyPenalty = -0.5f, PresencePenalty = 1.5f, MaxOutputTokens = 8, StopSequences = ["b", "c"], Seed = 4 }));
        Assert.AreEqual("0.5 0.8 5 2 0.75 7 a 3 0.1", Told(new() { FrequencyPenalty = 2 }));
        Assert.AreEqual("0.5 0.8 5 0.25 2 7 a 3 0.1", Told(new() { PresencePenalty = 2 }));

        string Told(ChatOptions? options)
        {
            GenerationOptions g = ChatPrompt.Create(model, messages, options, client).Generation;
            return FormattableString.Invariant($"{g.Temperature} {g.TopP} {g.TopK} {g.FrequencyPenalty} {g.PresencePenalty} {g.MaxNewTokens} {string.Join(' ', g.StopStrings)} {g.Seed} {g.MinP}");
        }
    }

    [TestMethod]
    public void A_call_for_fewer_tokens_than_the_clients_least_is_meant()
    {
        using GptModel model = Saying(_ => "x");
        var client = new GptChatClientOptions { Generation = new GenerateTextOptions { MinNewTokens = 6, MaxNewTokens = 9 } };
        foreach ((int? asked, int least, int most) in ((int?, int, int)[])[(4, 4, 4), (7, 6, 7), (null, 6, 9)])
        {
            GenerationOptions told = ChatPrompt.Create(model, [new(ChatRole.User, "go")], new() { MaxOutputTokens = asked }, client).Generation;
            Assert.AreEqual((least, most), (told.MinNewTokens, told.MaxNewTokens));
        }
    }

    [TestMethod]
    public async Task The_seed_decides_the_draws()
    {
        using var engine = new HistoryModel(Letters.VocabularySize, 64, _ => new float[Letters.VocabularySize]); // every token alike
        using var model = new GptModel(engine, Letters, Template);
        using IChatClient client = model.AsChatClient();
        async Task<string> Say(long seed) => (await client.GetResponseAsync("go", new() { Seed = seed, MaxOutputTokens = 12 })).Text;
        Assert.AreEqual(await Say(1), await Say(1));
        Assert.AreNotEqual(await Say(1), await Say(2));
    }

    [TestMethod]
    public async Task What_can_not_be_honoured_is_refused_by_name()
    {
        using GptModel model = Saying(_ => "x");
        using IChatClient client = model.AsChatClient();
        (string Name, ChatOptions Options)[] cases =
        [
            ("Tools[0]", new() { Tools = [new HostedWebSearchTool()] }), ("ToolMode", new() { ToolMode = ChatToolMode.RequireAny }), ("ToolMode", new() { Tools = [AIFunctionFactory.Create(() => 1, "one")], ToolMode = ChatToolMode.RequireSpecific("two") }),
            ("Tools", new() { Tools = [AIFunctionFactory.Create(() => 1, "one"), AIFunctionFactory.Create(() => 1, "one")] }),
            ("ConversationId", new() { ConversationId = "1" }), ("ModelId", new() { ModelId = "other" }), ("Seed", new() { Seed = long.MaxValue }),
            ("AdditionalProperties[min_p]", new() { AdditionalProperties = new() { ["min_p"] = 0.1 } }), ("RawRepresentationFactory", new() { RawRepresentationFactory = _ => null }),
        ];
        foreach ((string name, ChatOptions options) in cases)
        {
            var exception = await Assert.ThrowsExactlyAsync<UnsupportedOptionException>(() => client.GetResponseAsync("go", options), name);
            Assert.AreEqual(name, exception.Option);
            Assert.ThrowsExactly<UnsupportedOptionException>(() => client.GetStreamingResponseAsync("go", options), name);
        }

        await Assert.ThrowsExactlyAsync<ArgumentOutOfRangeException>(() => client.GetResponseAsync("go", new ChatOptions { TopP = 2 }));
        var none = await Assert.ThrowsExactlyAsync<ArgumentOutOfRangeException>(() => client.GetResponseAsync("go", new ChatOptions { MaxOutputTokens = 0 }));
        StringAssert.StartsWith(none.Message, "MaxOutputTokens is 0; it must be 1 or more.");
        using IChatClient stopping = model.AsChatClient(new() { Generation = new() { StopStrings = ["a", "b"] } });
        var empty = await Assert.ThrowsExactlyAsync<ArgumentException>(() => stopping.GetResponseAsync("go", new ChatOptions { StopSequences = ["c", ""] }));
        StringAssert.StartsWith(empty.Message, "StopSequences[1] is empty");
        await Assert.ThrowsExactlyAsync<UnsupportedOptionException>(() => client.GetResponseAsync([new ChatMessage(ChatRole.User, [new UriContent("https://example.org/a.png", "image/png")])]));
        Assert.AreEqual(ConversationProblem.UnknownRole, (await Assert.ThrowsExactlyAsync<ConversationException>(() => client.GetResponseAsync([new ChatMessage(ChatRole.Tool, "x")]))).Problem);
        Assert.AreEqual(ConversationProblem.StartsWithAssistant, (await Assert.ThrowsExactlyAsync<ConversationException>(() => client.GetResponseAsync([new ChatMessage(ChatRole.Assistant, "x")]))).Problem);
    }

    [TestMethod]
    public async Task Instructions_come_before_the_system_message()
    {
        string? seen = null;
        using GptModel model = Saying(prompt => { seen = prompt; return "ok"; });
        using IChatClient client = model.AsChatClient();
        await client.GetResponseAsync([new(ChatRole.System, "two"), new(ChatRole.User, "hi")], new() { Instructions = "one" });
        Assert.AreEqual("<|endoftext|>sone\n\ntwo<|endoftext|>uhi<|endoftext|>a", seen);
    }

    [TestMethod]
    [DataRow(true, "<|endoftext|>uone\n\ntwo<|endoftext|>ayes\n\nno<|endoftext|>slate\n\nlater<|endoftext|>ugo<|endoftext|>a")]
    [DataRow(false, "<|endoftext|>uone<|endoftext|>utwo<|endoftext|>ayes<|endoftext|>ano<|endoftext|>slate<|endoftext|>slater<|endoftext|>ugo<|endoftext|>a")]
    public async Task Messages_of_one_role_in_a_row_are_one_turn_where_turns_alternate_and_the_system_speaks_in_its_place(bool alternates, string prompt)
    {
        string? seen = null;
        using GptModel model = Saying(prompt => { seen = prompt; return "ok"; }, 128, Template with { RequiresAlternation = alternates });
        using IChatClient client = model.AsChatClient();
        ChatMessage[] messages =
        [
            new(ChatRole.User, "one"), new(ChatRole.User, "two"), new(ChatRole.Assistant, "yes"), new(ChatRole.Assistant, "no"), new(ChatRole.System, "late"), new(ChatRole.System, "later"), new(ChatRole.User, "go"),
        ];
        Assert.AreEqual("ok", (await client.GetResponseAsync(messages)).Text);
        Assert.AreEqual(prompt, seen);
        seen = null;
        Assert.AreEqual("ok", (await client.GetStreamingResponseAsync(messages).ToChatResponseAsync()).Text);
        Assert.AreEqual(prompt, seen);
    }

    [TestMethod]
    public async Task A_conversation_too_long_loses_its_oldest_turns_or_is_an_error()
    {
        string? seen = null;
        using GptModel model = Saying(prompt => { seen = prompt; return "ok"; }, contextLength: 32);
        ChatMessage[] messages = [new(ChatRole.System, "s"), new(ChatRole.User, "first first first"), new(ChatRole.Assistant, "ok"), new(ChatRole.User, "last")];
        using IChatClient forgiving = model.AsChatClient();
        await forgiving.GetResponseAsync(messages, new() { MaxOutputTokens = 8 });
        Assert.AreEqual("<|endoftext|>ss<|endoftext|>ulast<|endoftext|>a", seen);
        seen = null;
        using IChatClient other = model.AsChatClient(new() { Generation = new() { Temperature = 0.5f, MaxNewTokens = 8 } }); // says nothing of conversations that are too long
        await other.GetResponseAsync(messages);
        Assert.AreEqual("<|endoftext|>ss<|endoftext|>ulast<|endoftext|>a", seen);
        using IChatClient strict = model.AsChatClient(new() { Generation = new() { PromptOverflow = PromptOverflow.Error } });
        StringAssert.EndsWith((await Assert.ThrowsExactlyAsync<PromptTooLongException>(() => strict.GetResponseAsync(messages))).Message,
            "Shorten the conversation, or set PromptOverflow to KeepTail, which leaves out the oldest exchanges.");
    }

    [TestMethod]
    public async Task Cancelling_ends_a_call()
    {
        using GptModel model = Saying(_ => "abc");
        using IChatClient client = model.AsChatClient();
        await Assert.ThrowsAsync<OperationCanceledException>(() => client.GetResponseAsync("go", cancellationToken: new CancellationToken(canceled: true)));
        using var source = new CancellationTokenSource();
        await Assert.ThrowsAsync<OperationCanceledException>(async () =>
        {
            await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync("go", cancellationToken: source.Token)) await source.CancelAsync();
            source.Token.ThrowIfCancellationRequested();
        });
    }

    [TestMethod]
    public void Services_tell_the_model_and_its_name_and_a_model_without_template_is_no_chat_client()
    {
        using GptModel model = Saying(_ => "x");
        using IChatClient client = model.AsChatClient(new() { ModelId = "tiny" });
        Assert.AreEqual("tiny", client.GetService<ChatClientMetadata>()!.DefaultModelId);
        Assert.AreSame(model, client.GetService<GptModel>());
        Assert.AreSame(client, client.GetService<IChatClient>());
        Assert.IsNull(client.GetService(typeof(GptModel), "key"));
        using GptModel plain = TestModels.Saying(_ => "", out _);
        Assert.ThrowsExactly<ChatTemplateException>(() => plain.AsChatClient());
        Assert.ThrowsExactly<ChatTemplateException>(() => plain.Chat([ConversationTurn.User("hi")]));
        Assert.AreEqual("x", model.Chat([ConversationTurn.User("hi")]).Text);
    }
}
