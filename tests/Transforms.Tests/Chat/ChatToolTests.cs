using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.AI;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Core.Tests.Generation.Constraints;
using MLNet.Gpt.Core.Tests.Tokenization;

namespace MLNet.Gpt.Transforms.Tests.Chat;

[TestClass]
public sealed class ChatToolTests
{
    private static readonly GptTokenizer Characters = GptTokenizer.FromCharacters([string.Concat(Enumerable.Range(' ', 95).Select(static c => (char)c)) + "\n…"]);

    private enum Color
    {
        Red,
        Green,
    }

    // Says what a function says to a prompt, as far as it is allowed to.
    private static IChatClient Scripted(Func<string, string> answer, GptChatClientOptions? options = null)
    {
        string said = "";
        int promptLength = 0;
        var engine = new HistoryModel(Characters.VocabularySize, 4_096, history =>
        {
            if (promptLength == 0 || history.Count < promptLength || Characters.Decode(history.Skip(promptLength)) is var written && !said.StartsWith(written, StringComparison.Ordinal))
            {
                promptLength = history.Count;
                said = answer(Characters.Decode(history));
            }

            float[] logits = new float[Characters.VocabularySize];
            int at = history.Count - promptLength;
            logits[at < said.Length ? Characters.Encode(said[at].ToString())[0] : Characters.EndOfTextId] = 30;
            return logits;
        });
        return new GptModel(engine, Characters, ChatTemplate.Default).AsChatClient(options ?? new() { Generation = new() { Temperature = 0, MaxNewTokens = 400 } });
    }

    private static IChatClient Untrained(GptChatClientOptions? options = null) =>
        new GptModel(new UntrainedModel(PublishedRanks.Gpt2.VocabularySize, 4_096), PublishedRanks.Gpt2, ChatTemplate.Default).AsChatClient(options ?? new() { Generation = new() { MaxNewTokens = 2_000 } });

    [TestMethod]
    public async Task A_tool_is_told_called_with_its_arguments_and_its_result_answered()
    {
        List<string> prompts = [];
        using IChatClient client = Scripted(prompt =>
        {
            prompts.Add(prompt);
            return prompt.Contains("<tool_response>", StringComparison.Ordinal) ? "It is 5." : """<tool_call>{"name":"add","arguments":{"a":2,"b":3}}</tool_call>""";
        }).AsBuilder().UseFunctionInvocation().Build();
        AIFunction add = AIFunctionFactory.Create((int a, int b) => a + b, "add", "Adds two numbers.");
        ChatResponse response = await client.GetResponseAsync("What is 2 + 3?", new() { Tools = [add] });
        Assert.AreEqual("It is 5.", response.Text);
        Assert.HasCount(2, prompts);
        StringAssert.Contains(prompts[0], $"System:\nYou may call these tools:\n{{\"name\":\"add\",\"description\":\"Adds two numbers.\",\"parameters\":{add.JsonSchema.GetRawText()}}}\n");
        StringAssert.EndsWith(prompts[1], "Assistant:\n<tool_call>{\"name\":\"add\",\"arguments\":{\"a\":2,\"b\":3}}</tool_call><|endoftext|>User:\n<tool_response>{\"name\":\"add\",\"content\":5}</tool_response><|endoftext|>Assistant:\n");
        Assert.AreEqual(3, response.Messages.Count);
        Assert.AreEqual(ChatFinishReason.Stop, response.FinishReason);
    }

    [TestMethod]
    public async Task Nested_array_and_optional_parameters_and_enumerations_arrive()
    {
        string? got = null;
        string Order(Item item, string[] tags, Color color, int? limit = null, string note = "none")
        {
            got = $"{item.Name} {item.Size.Width} {string.Join('+', tags)} {color} {limit?.ToString() ?? "-"} {note}";
            return "ok";
        }

        foreach ((string arguments, string expected) in new[]
        {
            ("""{"item":{"Name":"box","Size":{"Width":2.5}},"tags":["a","b"],"color":"Green","limit":3,"note":"fast"}""", "box 2.5 a+b Green 3 fast"),
            ("""{"item":{"Name":"","Size":{"Width":-1}},"tags":[],"color":"Red"}""", " -1  Red - none"),
        })
        {
            using IChatClient client = Scripted(prompt => prompt.Contains("<tool_response>", StringComparison.Ordinal) ? "done" : $"<tool_call>{{\"name\":\"Order\",\"arguments\":{arguments}}}</tool_call>")
                .AsBuilder().UseFunctionInvocation().Build();
            var json = new JsonSerializerOptions { Converters = { new System.Text.Json.Serialization.JsonStringEnumConverter() }, TypeInfoResolver = new System.Text.Json.Serialization.Metadata.DefaultJsonTypeInfoResolver() };
            ChatResponse response = await client.GetResponseAsync("go", new() { Tools = [AIFunctionFactory.Create(Order, new AIFunctionFactoryOptions { Name = "Order", SerializerOptions = json })] });
            Assert.AreEqual("done", response.Text);
            Assert.AreEqual(expected, got);
        }
    }

    [TestMethod]
    public async Task Modes_decide_whether_and_which_tool_is_called()
    {
        List<string> prompts = [];
        using IChatClient client = Scripted(prompt =>
        {
            prompts.Add(prompt);
            return "hello";
        });
        AITool[] tools = [AIFunctionFactory.Create(() => 1, "one"), AIFunctionFactory.Create(() => 2, "two")];
        Assert.AreEqual("hello", (await client.GetResponseAsync("go", new() { Tools = tools })).Text);
        StringAssert.Contains(prompts[^1], "\"two\"");
        Assert.AreEqual("hello", (await client.GetResponseAsync("go", new() { Tools = tools, ToolMode = ChatToolMode.None })).Text);
        Assert.IsFalse(prompts[^1].Contains("\"two\"", StringComparison.Ordinal), "Tools that can't be called are not told.");

        // The model would rather say hello.
        ChatResponse required = await client.GetResponseAsync("go", new() { Tools = tools, ToolMode = ChatToolMode.RequireAny });
        Assert.AreEqual(ChatFinishReason.ToolCalls, required.FinishReason);
        Assert.HasCount(1, required.Messages[0].Contents.OfType<FunctionCallContent>());
        required = await client.GetResponseAsync("go", new() { Tools = tools, ToolMode = ChatToolMode.RequireSpecific("two") });
        Assert.AreEqual("two", required.Messages[0].Contents.OfType<FunctionCallContent>().Single().Name);
        StringAssert.Contains(prompts[^1], "\"one\"");
    }

    [TestMethod]
    public async Task Several_calls_come_where_they_are_allowed()
    {
        const string Two = """
            <tool_call>{"name":"one","arguments":{}}</tool_call>
            <tool_call>{"name":"two","arguments":{}}</tool_call>
            """;
        List<string> prompts = [];
        using IChatClient client = Scripted(prompt =>
        {
            prompts.Add(prompt);
            return prompt.Contains("<tool_response>", StringComparison.Ordinal) ? "3" : Two;
        }).AsBuilder().UseFunctionInvocation().Build();
        AITool[] tools = [AIFunctionFactory.Create(() => 1, "one"), AIFunctionFactory.Create(() => 2, "two")];
        Assert.AreEqual("3", (await client.GetResponseAsync("go", new() { Tools = tools, AllowMultipleToolCalls = true })).Text);
        StringAssert.EndsWith(prompts[^1], Two + "<|endoftext|>User:\n<tool_response>{\"name\":\"one\",\"content\":1}</tool_response>\n<tool_response>{\"name\":\"two\",\"content\":2}</tool_response><|endoftext|>Assistant:\n");
        Assert.AreEqual("3", (await client.GetResponseAsync("go", new() { Tools = tools })).Text);
        StringAssert.EndsWith(prompts[^1], "</tool_call><|endoftext|>User:\n<tool_response>{\"name\":\"one\",\"content\":1}</tool_response><|endoftext|>Assistant:\n", "One call at a time.");
    }

    [TestMethod]
    public async Task An_untrained_model_calls_tools_in_their_form()
    {
        using IChatClient client = Untrained();
        AITool[] tools =
        [
            AIFunctionFactory.Create((bool on, Color color, double level) => true, "switch"), AIFunctionFactory.Create((Color[] colors, bool? maybe = null) => true, "paint"),
        ];
        HashSet<string> called = [];
        for (int seed = 0; seed < 12; seed++)
        {
            ChatResponse response = await client.GetResponseAsync("go", new() { Tools = tools, ToolMode = ChatToolMode.RequireAny, Seed = seed });
            FunctionCallContent call = response.Messages[0].Contents.OfType<FunctionCallContent>().Single();
            Assert.IsTrue((bool)((JsonElement)(await ((AIFunction)tools.Single(tool => tool.Name == call.Name)).InvokeAsync(new(call.Arguments)))!).GetBoolean());
            called.Add(call.Name);
        }

        Assert.HasCount(2, called);

        // Free to choose, it writes a text or a call, and a text is never half a call.
        for (int seed = 0; seed < 6; seed++)
        {
            ChatResponse response = await client.GetResponseAsync("go", new() { Tools = tools, Seed = seed, MaxOutputTokens = 30 });
            Assert.IsTrue(response.FinishReason == ChatFinishReason.ToolCalls || !response.Text.StartsWith("<tool_call>", StringComparison.Ordinal) || response.FinishReason == ChatFinishReason.Length, response.Text);
        }
    }

    [TestMethod]
    public async Task Answers_are_JSON_where_that_is_asked_for()
    {
        using IChatClient client = Untrained();
        for (int seed = 0; seed < 4; seed++)
        {
            ChatResponse<Size> size = await client.GetResponseAsync<Size>("How large?", new ChatOptions { Seed = seed }, useJsonSchemaResponseFormat: true);
            Assert.IsTrue(size.TryGetResult(out Size? result) && result is not null, size.Text);
            ChatResponse either = await client.GetResponseAsync("How large?", new ChatOptions { Seed = seed, ResponseFormat = ChatResponseFormat.ForJsonSchema(JsonElement.Parse("""{"type":"object","properties":{"a":{"enum":[1,2]}},"required":["a"]}""")) });
            Assert.IsTrue(either.Text is """{"a":1}""" or """{"a":2}""", either.Text);
        }

        using IChatClient scripted = Scripted(static _ => """{"free":[1,"x"]}""");
        Assert.AreEqual("""{"free":[1,"x"]}""", (await scripted.GetResponseAsync("go", new() { ResponseFormat = ChatResponseFormat.Json })).Text);
        using IChatClient stubborn = Scripted(static _ => "no");
        StringAssert.StartsWith((await stubborn.GetResponseAsync("go", new() { ResponseFormat = ChatResponseFormat.Json, MaxOutputTokens = 10 })).Text, "{");
    }

    [TestMethod]
    public async Task A_calls_own_form_goes_before_the_clients_constraint()
    {
        using IChatClient client = Untrained(new() { Generation = new GenerateTextOptions { MaxNewTokens = 400, Constraint = TextConstraint.Choice("yes", "no") } });
        ChatOptions json = new() { ResponseFormat = ChatResponseFormat.ForJsonSchema(JsonElement.Parse("""{"type":"object","properties":{"a":{"const":5}},"required":["a"],"additionalProperties":false}""")) };
        for (int round = 0; round < 2; round++)
        {
            string free = (await client.GetResponseAsync("go")).Text;
            Assert.IsTrue(free is "yes" or "no", free);
            Assert.AreEqual("""{"a":5}""", (await client.GetResponseAsync("go", json)).Text);
            Assert.AreEqual("""{"a":5}""", (await client.GetStreamingResponseAsync("go", json).ToChatResponseAsync()).Text);
            ChatResponse called = await client.GetResponseAsync("go", new() { Tools = [AIFunctionFactory.Create(() => 1, "one")], ToolMode = ChatToolMode.RequireAny });
            Assert.AreEqual("one", called.Messages[0].Contents.OfType<FunctionCallContent>().Single().Name);
        }
    }

    // A form is compiled once for a tokenizer: what differs in any part is another form.
    [TestMethod]
    public async Task Forms_that_differ_in_a_part_are_told_apart()
    {
        AIFunction one = AIFunctionFactory.Create((int a) => a, "one"), renamed = AIFunctionFactory.Create((int a) => a, "two"), reshaped = AIFunctionFactory.Create((bool b) => b, "one");
        foreach ((ChatToolFormat format, AIFunction tool, string answer) in ((ChatToolFormat, AIFunction, string)[])[
            (new(), one, """<tool_call>{"name":"one","arguments":{"a":1}}</tool_call>"""),
            (new(), renamed, """<tool_call>{"name":"two","arguments":{"a":1}}</tool_call>"""),
            (new(), reshaped, """<tool_call>{"name":"one","arguments":{"b":true}}</tool_call>"""),
            (new() { CallStart = "<call>" }, one, """<call>{"name":"one","arguments":{"a":1}}</tool_call>"""),
            (new() { CallEnd = "</call>" }, one, """<tool_call>{"name":"one","arguments":{"a":1}}</call>""")])
        {
            using IChatClient client = Scripted(_ => answer, new() { Tools = format, Generation = new() { Temperature = 0, MaxNewTokens = 400 } });
            ChatResponse response = await client.GetResponseAsync("go", new() { Tools = [tool], ToolMode = ChatToolMode.RequireAny });
            FunctionCallContent call = response.Messages[0].Contents.OfType<FunctionCallContent>().Single();
            Assert.AreEqual(answer, ChatForm.Write(call, format));
        }
    }

    [TestMethod]
    public async Task Streaming_gives_text_as_it_comes_calls_when_they_are_whole_and_usage_once()
    {
        AITool[] tools = [AIFunctionFactory.Create((string x) => x, "echo")];
        foreach ((string answer, int texts, int calls) in new[] { ("<tool> is a word", 10, 0), ("""<tool_call>{"name":"echo","arguments":{"x":"<tool_call>"}}</tool_call>""", 0, 1) })
        {
            using IChatClient client = Scripted(_ => answer);
            List<ChatResponseUpdate> updates = [];
            await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync("go", new() { Tools = tools })) updates.Add(update);
            Assert.HasCount(calls, updates.SelectMany(static update => update.Contents).OfType<FunctionCallContent>());
            Assert.HasCount(1, updates.SelectMany(static update => update.Contents).OfType<UsageContent>());
            Assert.IsGreaterThanOrEqualTo(texts, updates.SelectMany(static update => update.Contents).OfType<TextContent>().Count());
            ChatResponse response = updates.ToChatResponse();
            Assert.AreEqual(calls > 0 ? "" : answer, response.Text);
            Assert.AreEqual(calls > 0 ? ChatFinishReason.ToolCalls : ChatFinishReason.Stop, response.FinishReason);
            if (calls > 0) Assert.AreEqual("<tool_call>", response.Messages[0].Contents.OfType<FunctionCallContent>().Single().Arguments!["x"]!.ToString());
        }

        using IChatClient invoking = Scripted(static prompt => prompt.Contains("<tool_response>", StringComparison.Ordinal) ? "bye" : """<tool_call>{"name":"echo","arguments":{"x":"hi"}}</tool_call>""").AsBuilder().UseFunctionInvocation().Build();
        string text = "";
        await foreach (ChatResponseUpdate update in invoking.GetStreamingResponseAsync("go", new() { Tools = tools })) text += update.Text;
        Assert.AreEqual("bye", text);
    }

    [TestMethod]
    public async Task A_tool_that_throws_is_told_to_the_model()
    {
        List<string> prompts = [];
        using IChatClient client = Scripted(prompt =>
        {
            prompts.Add(prompt);
            return prompt.Contains("<tool_response>", StringComparison.Ordinal) ? "sorry" : """<tool_call>{"name":"fail","arguments":{}}</tool_call>""";
        }).AsBuilder().UseFunctionInvocation().Build();
        AIFunction fail = AIFunctionFactory.Create(string () => throw new InvalidOperationException("broken"), "fail");
        Assert.AreEqual("sorry", (await client.GetResponseAsync("go", new() { Tools = [fail] })).Text);
        StringAssert.Contains(prompts[^1], "<tool_response>{\"name\":\"fail\",\"content\":\"Error: Function failed.\"}</tool_response>");
    }

    [TestMethod]
    public async Task A_schema_that_can_not_be_used_names_its_tool()
    {
        using IChatClient client = Scripted(static _ => "x");
        AIFunctionDeclaration odd = AIFunctionFactory.CreateDeclaration("odd", "…", JsonElement.Parse("""{"type":"object","properties":{"a":{"not":{"type":"null"}}}}"""));
        var error = await Assert.ThrowsExactlyAsync<ConstraintException>(() => client.GetResponseAsync("go", new() { Tools = [odd] }));
        Assert.AreEqual((ConstraintProblem.Unsupported, "not"), (error.Problem, error.Keyword));
        StringAssert.Contains(error.Message, "the tool 'odd'");
    }

    // Arguments are an object, whatever else the schema would allow.
    [TestMethod]
    [DataRow("{}")]
    [DataRow("true")]
    [DataRow("""{"type":["object","null","array"]}""")]
    [DataRow("""{"anyOf":[{"type":"string"},{"type":"object","additionalProperties":{"type":"boolean"}}]}""")]
    public async Task A_schema_that_does_not_ask_for_an_object_gets_one(string schema)
    {
        AIFunctionDeclaration open = AIFunctionFactory.CreateDeclaration("open", "…", JsonElement.Parse(schema));
        foreach ((string said, string written) in new[] { ("null", "{}"), ("[1]", "{}"), ("\"x\"", "{}"), ("""{"a":true}""", """{"a":true}""") })
        {
            using IChatClient client = Scripted(_ => $"<tool_call>{{\"name\":\"open\",\"arguments\":{said}}}</tool_call>", new() { Generation = new() { Temperature = 0, MaxNewTokens = 400, LogitBias = new Dictionary<int, float> { [Characters.Encode("}")[0]] = 5 } } });
            ChatResponse response = await client.GetResponseAsync("go", new() { Tools = [open], ToolMode = ChatToolMode.RequireAny });
            FunctionCallContent call = response.Messages.Single().Contents.OfType<FunctionCallContent>().Single();
            Assert.AreEqual(written, JsonSerializer.Serialize(call.Arguments), said);
        }
    }

    [TestMethod]
    [DataRow("""{"type":"array"}""")]
    [DataRow("""{"enum":[1,2]}""")]
    [DataRow("false")]
    public async Task A_schema_that_no_object_satisfies_names_its_tool(string schema)
    {
        using IChatClient client = Scripted(static _ => "x");
        AIFunctionDeclaration odd = AIFunctionFactory.CreateDeclaration("odd", "…", JsonElement.Parse(schema)), good = AIFunctionFactory.CreateDeclaration("good", "…", JsonElement.Parse("""{"type":"object"}"""));
        var error = await Assert.ThrowsExactlyAsync<ConstraintException>(() => client.GetResponseAsync("go", new() { Tools = [good, odd] }));
        Assert.AreEqual(ConstraintProblem.Contradictory, error.Problem);
        StringAssert.Contains(error.Message, "the tool 'odd'");
    }

    // .NET reads JSON that is nested 64 deep, and no more, unless it is told otherwise. The 64 levels are those of the arguments, their object included; the call stands around them.
    [TestMethod]
    public async Task Arguments_are_nested_as_deep_as_JSON_is_read_and_no_deeper()
    {
        const int depth = 63;
        using var folder = new TemporaryFolder();
        string arguments = $$"""{"a":{{new string('[', depth)}}{{new string(']', depth)}}}""", answer = $$"""<tool_call>{"name":"open","arguments":{{arguments}}}</tool_call>""";
        List<string> prompts = [];
        GptChatClientOptions options = new() { MaxConversations = 1, ConversationFolder = folder["chats"], Generation = new() { Temperature = 0, MaxNewTokens = 2_100 } };
        IChatClient Client() => Scripted(
            prompt =>
            {
                prompts.Add(prompt);
                return prompts.Count > 2 ? "ok" : answer;
            },
            options);
        AIFunctionDeclaration open = AIFunctionFactory.CreateDeclaration("open", "…", JsonElement.Parse("""{"type":"object"}"""));
        ChatOptions a = new() { ConversationId = "a", Tools = [open] };
        using (IChatClient client = Client())
        {
            foreach (ChatResponse response in (ChatResponse[])[await client.GetResponseAsync("go", new() { Tools = [open] }), await client.GetStreamingResponseAsync("go", a).ToChatResponseAsync()])
            {
                AIContent content = response.Messages.Single().Contents.Single(static content => content is not UsageContent);
                Assert.AreEqual(ChatFinishReason.ToolCalls, response.FinishReason);
                Assert.AreEqual(arguments, $"{{\"a\":{((JsonElement)((FunctionCallContent)content).Arguments!["a"]!).GetRawText()}}}");
            }
        }

        // It is kept, and written again, as it was.
        using IChatClient later = Client();
        a.MaxOutputTokens = 50;
        await later.GetResponseAsync("and", a);
        StringAssert.Contains(prompts[^1], answer);

        // Where the model would go deeper, it can't: the 64th list is not written.
        using IChatClient deeper = Scripted(_ => answer.Replace("[[]]", "[[[]]]", StringComparison.Ordinal), options);
        ChatResponse held = await deeper.GetResponseAsync("go", new() { Tools = [open], MaxOutputTokens = 200 });
        StringAssert.Contains(held.Text, new string('[', depth));
        Assert.DoesNotContain(new string('[', depth + 1), held.Text);
    }

    // Nobody can answer from a tool's result alone: the question, and what was called for it, stay with it, or it is an error.
    [TestMethod]
    public async Task A_question_stays_with_what_tools_have_answered_to_it_where_older_exchanges_are_left_out()
    {
        List<string> prompts = [];
        ChatMessage[] messages =
        [
            new(ChatRole.User, "old"), new(ChatRole.Assistant, [new FunctionCallContent("1", "look", new Dictionary<string, object?>())]), new(ChatRole.Tool, [new FunctionResultContent("1", "seen")]), new(ChatRole.Assistant, "so"),
            new(ChatRole.User, "new"), new(ChatRole.Assistant, [new FunctionCallContent("2", "look", new Dictionary<string, object?>())]), new(ChatRole.Tool, [new FunctionResultContent("2", new string('x', 1_500))]),
            new(ChatRole.Assistant, [new FunctionCallContent("3", "look", new Dictionary<string, object?>())]), new(ChatRole.Tool, [new FunctionResultContent("3", new string('y', 500))]),
        ];
        using IChatClient client = Scripted(
            prompt =>
            {
                prompts.Add(prompt);
                return "ok";
            },
            new() { Generation = new() { Temperature = 0, MaxNewTokens = 4_096 - 2_300 } }); // a prompt may have 2,300 tokens
        Assert.AreEqual("ok", (await client.GetResponseAsync(messages)).Text);
        Assert.AreEqual("ok", (await client.GetStreamingResponseAsync(messages).ToChatResponseAsync()).Text);
        foreach (string prompt in prompts) StringAssert.StartsWith(prompt, "<|endoftext|>User:\nnew<|endoftext|>Assistant:\n<tool_call>");

        // What the user goes on with behind a result belongs to it too; the next question begins an exchange.
        await client.GetResponseAsync([.. messages, new(ChatRole.User, "well?")]);
        StringAssert.StartsWith(prompts[^1], "<|endoftext|>User:\nnew<|endoftext|>");
        await client.GetResponseAsync([.. messages, new(ChatRole.Assistant, "so"), new(ChatRole.User, new string('z', 1_000))]);
        StringAssert.StartsWith(prompts[^1], "<|endoftext|>User:\nzzz");
        messages[6] = new(ChatRole.Tool, [new FunctionResultContent("2", new string('x', 2_000))]);
        StringAssert.Contains((await Assert.ThrowsExactlyAsync<PromptTooLongException>(() => client.GetResponseAsync(messages))).Message, "the question and the calls of tools");
    }

    [TestMethod]
    public async Task ReAct_does_not_lose_its_question()
    {
        int calls = 0;
        using IChatClient client = Scripted(prompt => ++calls > 20 ? """{"thought":"","action":"finish","answer":"x"}""" : """{"thought":"t","action":"look","arguments":{}}""", new() { Generation = new() { Temperature = 0, MaxNewTokens = 400 } });
        AIFunction look = AIFunctionFactory.Create(() => new string('x', 500), "look");
        await Assert.ThrowsExactlyAsync<PromptTooLongException>(() => client.ReActAsync("why?", [look], new() { MaxSteps = 30 }));
        Assert.IsLessThan(8, calls, "the context has 4,096 tokens");
    }

    // A schema with members of any name can't keep a model from writing one twice: as most readers of JSON do, the last one counts.
    [TestMethod]
    public async Task Of_arguments_of_one_name_the_last_one_counts()
    {
        using IChatClient client = Scripted(static _ => """<tool_call>{"name":"open","arguments":{"a":1,"b":2,"a":3}}</tool_call>""");
        AIFunctionDeclaration open = AIFunctionFactory.CreateDeclaration("open", "…", JsonElement.Parse("""{"type":"object"}"""));
        ChatResponse response = await client.GetResponseAsync("go", new() { Tools = [open] });
        FunctionCallContent call = response.Messages.Single().Contents.OfType<FunctionCallContent>().Single();
        Assert.AreEqual("""{"a":3,"b":2}""", JsonSerializer.Serialize(call.Arguments));
    }

    [TestMethod]
    public async Task A_conversation_goes_on_by_its_id_where_the_client_keeps_some()
    {
        List<string> prompts = [];
        using IChatClient client = Scripted(
            prompt =>
            {
                prompts.Add(prompt);
                return $"answer {prompts.Count}";
            },
            new() { MaxConversations = 2, Generation = new() { Temperature = 0 } });
        ChatResponse first = await client.GetResponseAsync("one", new() { ConversationId = "a" });
        Assert.AreEqual("a", first.ConversationId);
        ChatResponse second = await client.GetStreamingResponseAsync("two", new() { ConversationId = "a" }).ToChatResponseAsync();
        Assert.AreEqual("a", second.ConversationId);
        await client.GetResponseAsync("three", new() { ConversationId = "a" });
        StringAssert.EndsWith(prompts[^1], "User:\none<|endoftext|>Assistant:\nanswer 1<|endoftext|>User:\ntwo<|endoftext|>Assistant:\nanswer 2<|endoftext|>User:\nthree<|endoftext|>Assistant:\n");

        // Other conversations know nothing of it, and a third lets the one that was used longest ago go.
        await client.GetResponseAsync("x", new() { ConversationId = "b" });
        Assert.IsFalse(prompts[^1].Contains("one", StringComparison.Ordinal));
        await client.GetResponseAsync("x", new() { ConversationId = "c" });
        await client.GetResponseAsync("four", new() { ConversationId = "a" });
        Assert.IsFalse(prompts[^1].Contains("one", StringComparison.Ordinal));
        Assert.IsNull((await client.GetResponseAsync("x")).ConversationId);
    }

    [TestMethod]
    public async Task A_conversation_in_a_folder_goes_on_in_another_client_with_its_calls_of_tools()
    {
        using var folder = new TemporaryFolder();
        List<string> prompts = [];
        GptChatClientOptions options = new() { MaxConversations = 1, ConversationFolder = folder["chats"], Generation = new() { Temperature = 0 } };
        IChatClient Client() => Scripted(
            prompt =>
            {
                prompts.Add(prompt);
                return prompt.EndsWith("weather<|endoftext|>Assistant:\n", StringComparison.Ordinal) ? """<tool_call>{"name":"weather","arguments":{"city":"Bonn","days":2}}</tool_call>""" : $"answer {prompts.Count}";
            },
            options);
        AIFunction weather = AIFunctionFactory.Create((string city, int days) => "mild", "weather", "The weather.");
        ChatOptions a = new() { ConversationId = "../a", Tools = [weather] };
        using (IChatClient client = Client())
        {
            await client.GetResponseAsync("one", a);
            ChatResponse call = await client.GetResponseAsync("weather", a);
            FunctionCallContent called = call.Messages[0].Contents.OfType<FunctionCallContent>().Single();
            await client.GetStreamingResponseAsync([new ChatMessage(ChatRole.Tool, [new FunctionResultContent(called.CallId, "mild")])], a).ToChatResponseAsync();
            await client.GetResponseAsync("x", new() { ConversationId = "b" });   // lets the first go from memory, not from the folder
            await client.GetResponseAsync("again", a);
        }

        string before = prompts[^1];
        using (IChatClient client = Client()) await client.GetResponseAsync("later", a);
        StringAssert.StartsWith(prompts[^1], before + "answer 5<|endoftext|>User:\nlater");
        StringAssert.Contains(before, "\"city\":\"Bonn");
        string[] files = Directory.GetFiles(folder["chats"]);
        Assert.HasCount(2, files);

        // A file that is none, is another conversation's, or is of a later version is refused, and nothing is begun in its place.
        string file = files.Single(path => File.ReadAllText(path).Contains("../a", StringComparison.Ordinal)), text = File.ReadAllText(file);
        foreach (string damaged in (string[])[text[..^5], text.Replace("\"../a\"", "\"b\"", StringComparison.Ordinal), text.Replace("\"version\":1", "\"version\":2", StringComparison.OrdinalIgnoreCase), "{}", "[]"])
        {
            File.WriteAllText(file, damaged);
            using IChatClient client = Client();
            await Assert.ThrowsExactlyAsync<CorruptFileException>(() => client.GetResponseAsync("later", a), damaged);
        }

        Assert.ThrowsExactly<ArgumentException>(() => (options with { MaxConversations = 0 }).Validate());
    }

    [TestMethod]
    public async Task A_conversation_that_a_call_is_in_stays_one_whatever_comes_meanwhile()
    {
        using var folder = new TemporaryFolder();
        foreach (string? chats in (string?[])[null, folder["chats"]])
        {
            // Says "y" to everything, and to "one" only when it may.
            using ManualResetEventSlim entered = new(), leave = new();
            List<string> prompts = [];
            IChatClient Client() => new GptModel(
                new HistoryModel(Characters.VocabularySize, 4_096, history =>
                {
                    string text = Characters.Decode(history);
                    bool begins = text.EndsWith("Assistant:\n", StringComparison.Ordinal);
                    if (begins) lock (prompts) prompts.Add(text);
                    if (text.EndsWith("one<|endoftext|>Assistant:\n", StringComparison.Ordinal))
                    {
                        entered.Set();
                        leave.Wait();
                    }

                    float[] logits = new float[Characters.VocabularySize];
                    logits[begins ? Characters.Encode("y")[0] : Characters.EndOfTextId] = 30;
                    return logits;
                }),
                Characters, ChatTemplate.Default).AsChatClient(new() { MaxConversations = 1, ConversationFolder = chats, Generation = new() { Temperature = 0 } });
            using IChatClient client = Client();

            // 1. While the first call is in the conversation, another conversation and a second call of this one come.
            Task<ChatResponse> first = client.GetResponseAsync("one", new() { ConversationId = "a" });
            entered.Wait();
            await client.GetResponseAsync("x", new() { ConversationId = "b" });
            Task<ChatResponse> second = client.GetResponseAsync("two", new() { ConversationId = "a" });
            using var gone = new CancellationTokenSource();
            Task<ChatResponse> third = client.GetResponseAsync("three", new() { ConversationId = "a" }, gone.Token);
            await gone.CancelAsync();
            await Assert.ThrowsAsync<OperationCanceledException>(() => third);
            leave.Set();
            await Task.WhenAll(first, second);
            StringAssert.EndsWith(prompts[^1], "User:\none<|endoftext|>Assistant:\ny<|endoftext|>User:\ntwo<|endoftext|>Assistant:\n");

            // 2. Its folder is deleted: what is in memory is written again with the next answer; what has left it begins anew.
            if (chats is null) continue;
            Directory.Delete(chats, recursive: true);
            await client.GetResponseAsync("three", new() { ConversationId = "a" });
            StringAssert.Contains(prompts[^1], "one");
            using (IChatClient later = Client())
            {
                await later.GetResponseAsync("four", new() { ConversationId = "a" });
                StringAssert.Contains(prompts[^1], "one<|endoftext|>Assistant:\ny<|endoftext|>User:\ntwo<|endoftext|>Assistant:\ny<|endoftext|>User:\nthree<|endoftext|>Assistant:\ny<|endoftext|>User:\nfour");
                await later.GetResponseAsync("x", new() { ConversationId = "b" });
                Directory.Delete(chats, recursive: true);
                await later.GetResponseAsync("five", new() { ConversationId = "a" });
            }

            Assert.DoesNotContain("one", prompts[^1]);
        }
    }

    [TestMethod]
    public async Task Empty_messages_penalties_and_many_calls_at_once()
    {
        using IChatClient client = Scripted(static prompt => prompt.Contains("1 + 2", StringComparison.Ordinal) ? "3" : "?");
        Assert.AreEqual("3", (await client.GetResponseAsync([new(ChatRole.System, []), new(ChatRole.User, []), new(ChatRole.Assistant, []), new(ChatRole.User, "1 + 2")])).Text);
        using IChatClient untrained = Untrained(new() { Generation = new() { MaxNewTokens = 20 } });
        string[] texts = await Task.WhenAll(Enumerable.Range(0, 12).Select(async i => (await untrained.GetResponseAsync("go", new() { Seed = i % 3, FrequencyPenalty = 1, PresencePenalty = 0.5f })).Text));
        Assert.HasCount(3, texts.Distinct().ToArray());
    }

    [TestMethod]
    public async Task The_pipeline_of_Microsoft_Extensions_AI_caches_and_measures()
    {
        int calls = 0;
        using IChatClient inner = Scripted(_ =>
        {
            calls++;
            return "yes";
        });
        List<string?> operations = [];
        using var listener = new ActivityListener
        {
            ShouldListenTo = static source => source.Name == "chat-tests", Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity => operations.Add($"{activity.GetTagItem("gen_ai.request.model")} {activity.GetTagItem("gen_ai.usage.output_tokens")}"),
        };
        ActivitySource.AddActivityListener(listener);
        using IChatClient client = inner.AsBuilder()
            .UseDistributedCache(new Cache())
            .UseOpenTelemetry(sourceName: "chat-tests").Build();
        Assert.AreEqual("yes", (await client.GetResponseAsync("go")).Text);
        Assert.AreEqual("yes", (await client.GetResponseAsync("go")).Text);
        Assert.AreEqual(1, calls);
        CollectionAssert.AreEqual(new[] { "gpt 3" }, operations);
    }

    // All layers at once, around a model that calls two tools in one answer, of which one throws, and then says so.
    [TestMethod]
    public async Task The_layers_of_Microsoft_Extensions_AI_go_around_calls_of_tools()
    {
        List<string> prompts = [];
        int invoked = 0;
        using var together = new Barrier(2);
        AIFunction fail = AIFunctionFactory.Create(
            async Task<string> (int a) =>
            {
                await Task.Yield();
                return together.SignalAndWait(10_000) ? throw new InvalidOperationException("broken") : "";
            },
            "fail"), work = AIFunctionFactory.Create(
            async Task<string> (string[] b) =>
            {
                await Task.Yield();
                Interlocked.Increment(ref invoked);
                Assert.IsTrue(together.SignalAndWait(10_000), "the two run at once");
                return string.Join('+', b);
            },
            "work");
        using IChatClient client = Scripted(prompt =>
        {
            prompts.Add(prompt);
            return prompt.Contains("<tool_response>", StringComparison.Ordinal)
                ? "done"
                : """<tool_call>{"name":"fail","arguments":{"a":1}}</tool_call>""" + "\n" + """<tool_call>{"name":"work","arguments":{"b":["x","y"]}}</tool_call>""";
        }).AsBuilder()
            .UseLogging(Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance)
            .UseFunctionInvocation(configure: static layer => (layer.AllowConcurrentInvocation, layer.IncludeDetailedErrors) = (true, true))
            .ConfigureOptions(static options => (options.AllowMultipleToolCalls, options.Instructions) = (true, "be brief"))
            .UseDistributedCache(new Cache())
            .UseOpenTelemetry(sourceName: "layers", configure: static layer => layer.EnableSensitiveData = true).Build();
        ChatOptions options = new() { Tools = [fail, work] };
        for (int round = 0; round < 2; round++)
        {
            ChatResponse response = round == 0 ? await client.GetResponseAsync("go", options) : await client.GetStreamingResponseAsync("go again", options).ToChatResponseAsync();
            Assert.AreEqual("done", response.Text);
            Assert.AreEqual(round + 1, invoked);
            StringAssert.StartsWith(prompts[^1], "<|endoftext|>System:\nbe brief\n\nYou may call these tools:\n");
            StringAssert.EndsWith(prompts[^1], "User:\n<tool_response>{\"name\":\"fail\",\"content\":\"Error: Function failed. Exception: broken\"}</tool_response>\n<tool_response>{\"name\":\"work\",\"content\":\"x+y\"}</tool_response><|endoftext|>Assistant:\n");
        }

        // Where the client keeps the conversation, the layer passes the results alone.
        using IChatClient keeping = Scripted(
            prompt =>
            {
                prompts.Add(prompt);
                return prompt.Contains("<tool_response>", StringComparison.Ordinal) ? "done" : """<tool_call>{"name":"one","arguments":{}}</tool_call>""";
            },
            new() { MaxConversations = 1, Generation = new() { Temperature = 0, MaxNewTokens = 400 } }).AsBuilder().UseFunctionInvocation().Build();
        options = new() { Tools = [AIFunctionFactory.Create(() => 1, "one")], ConversationId = "a" };
        Assert.AreEqual("done", (await keeping.GetResponseAsync("go", options)).Text);
        Assert.AreEqual("done", (await keeping.GetStreamingResponseAsync("more", options).ToChatResponseAsync()).Text);
        StringAssert.EndsWith(prompts[^1], "User:\ngo<|endoftext|>Assistant:\n<tool_call>{\"name\":\"one\",\"arguments\":{}}</tool_call><|endoftext|>User:\n<tool_response>{\"name\":\"one\",\"content\":1}</tool_response><|endoftext|>Assistant:\ndone<|endoftext|>User:\nmore<|endoftext|>Assistant:\n");
    }

    // The schemas that AIFunctionFactory makes of the types that tools take, a type that holds itself among them.
    [TestMethod]
    public async Task Parameters_of_every_common_type_are_called_with_what_they_can_be_read_from()
    {
        List<string> got = [];
        AITool[] tools =
        [
            AIFunctionFactory.Create((DateTime a, DateTimeOffset b, Guid c) => got.Add($"{a:s} {b:s} {c}"), "times"), AIFunctionFactory.Create((DateOnly a, DateOnly? b, bool c) => got.Add($"{a} {b} {c}"), "days"),
            AIFunctionFactory.Create((double a, float? b, string? c) => got.Add($"{a} {b} {c}"), "numbers"), AIFunctionFactory.Create((Dictionary<string, bool> a, HashSet<Color> b, CancellationToken _) => got.Add($"{a.Count} {b.Count}"), "lists"),
            AIFunctionFactory.Create((Tree a, AIFunctionArguments _) => got.Add($"{a.Count()}"), "tree"), AIFunctionFactory.Create((JsonElement a, object? b = null) => got.Add($"{a.ValueKind} {b}"), "any"),
        ];
        using IChatClient client = Untrained();
        foreach (AITool tool in tools)
        {
            for (int seed = 0; seed < 2; seed++)
            {
                ChatResponse response = await client.GetResponseAsync("go", new() { Tools = tools, ToolMode = ChatToolMode.RequireSpecific(tool.Name), Seed = seed, MaxOutputTokens = 3_000 });
                if (response.FinishReason == ChatFinishReason.Length) continue; // it nests on and on
                FunctionCallContent call = response.Messages[0].Contents.OfType<FunctionCallContent>().Single();
                await ((AIFunction)tool).InvokeAsync(new(call.Arguments));
            }
        }

        Assert.IsGreaterThan(8, got.Distinct().Count(), string.Join('|', got));
    }

    // What the model can't read is named with its place.
    [TestMethod]
    public async Task Contents_that_are_no_text_are_refused_by_their_place_and_kind()
    {
        using IChatClient client = Scripted(static _ => "x");
        foreach (AIContent content in (AIContent[])[new DataContent(new byte[] { 1, 2 }, "image/png"), new UriContent("https://example.org/a.wav", "audio/wav"), new TextReasoningContent("hm"), new ErrorContent("no"), new HostedFileContent("1")])
        {
            ChatMessage[] messages = [new(ChatRole.User, "see"), new(ChatRole.Assistant, "yes"), new(ChatRole.User, [new TextContent("and"), content])];
            var error = await Assert.ThrowsExactlyAsync<UnsupportedOptionException>(() => client.GetResponseAsync(messages));
            Assert.AreEqual(("messages[2].Contents", content.GetType().Name), (error.Option, error.Value));
            Assert.ThrowsExactly<UnsupportedOptionException>(() => client.GetStreamingResponseAsync(messages));
        }
    }

    private sealed class Cache : Microsoft.Extensions.Caching.Distributed.IDistributedCache
    {
        private readonly Dictionary<string, byte[]> _values = [];

        public byte[]? Get(string key) => _values.GetValueOrDefault(key);

        public Task<byte[]?> GetAsync(string key, CancellationToken token = default) => Task.FromResult(Get(key));

        public void Set(string key, byte[] value, Microsoft.Extensions.Caching.Distributed.DistributedCacheEntryOptions options) => _values[key] = value;

        public Task SetAsync(string key, byte[] value, Microsoft.Extensions.Caching.Distributed.DistributedCacheEntryOptions options, CancellationToken token = default)
        {
            Set(key, value, options);
            return Task.CompletedTask;
        }

        public void Refresh(string key)
        {
        }

        public Task RefreshAsync(string key, CancellationToken token = default) => Task.CompletedTask;

        public void Remove(string key) => _values.Remove(key);

        public Task RemoveAsync(string key, CancellationToken token = default) => Task.FromResult(_values.Remove(key));
    }

    private sealed record Size(bool Large, Color Color);

    private sealed record Item(string Name, Extent Size);

    private sealed record Extent(double Width);

    private sealed record Tree(string Name, Tree[]? Kids)
    {
        public int Count() => 1 + (Kids?.Sum(static kid => kid?.Count() ?? 0) ?? 0);
    }
}
