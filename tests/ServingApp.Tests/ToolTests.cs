using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OpenAI;
using static ServingApp.Tests.TestServing;

namespace ServingApp.Tests;

/// <summary>Calls of tools over the endpoint, as OpenAI's clients make them.</summary>
[TestClass]
public sealed class ToolTests
{
    private const string Weather = """{"type":"function","function":{"name":"weather","description":"The weather in a city.","strict":true,"parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}}}""";
    private const string Time = """{"type":"function","function":{"name":"time"}}""";
    private const string Call = """<tool_call>{"name":"weather","arguments":{"city":"Bonn"}}</tool_call>""";

    private static TestServing Server(Func<string, string> answer) => Of(new ScriptedModel(answer, contextLength: 2_048), ("PrefillTokens", "4096"));

    private static async Task<JsonElement> AskAsync(HttpClient client, string more)
    {
        using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", Chat("go", "\"temperature\":0," + more));
        JsonElement json = await JsonAsync(response);
        return json.TryGetProperty("choices", out JsonElement choices) ? choices[0] : throw new AssertFailedException(json.GetRawText());
    }

    [TestMethod]
    public async Task A_call_is_told_in_OpenAIs_form_whole_and_streamed()
    {
        string? seen = null;
        using TestServing server = Server(prompt => { seen = prompt; return Call; });
        HttpClient client = await server.ReadyAsync();
        JsonElement choice = await AskAsync(client, $"\"tools\":[{Weather},{Time}]");
        StringAssert.Contains(seen, """{"name":"weather","description":"The weather in a city.","parameters":{"type":"object",""");
        StringAssert.Contains(seen, "\"time\"");
        Assert.AreEqual("tool_calls", choice.GetProperty("finish_reason").GetString());
        JsonElement message = choice.GetProperty("message");
        Assert.AreEqual(JsonValueKind.Null, message.GetProperty("content").ValueKind);
        JsonElement call = message.GetProperty("tool_calls").EnumerateArray().Single();
        StringAssert.StartsWith(call.GetProperty("id").GetString(), "call_");
        Assert.AreEqual(("function", "weather", """{"city":"Bonn"}"""), (call.GetProperty("type").GetString(), call.GetProperty("function").GetProperty("name").GetString(), call.GetProperty("function").GetProperty("arguments").GetString()));

        string[] events = Events(await (await client.PostAsync("/v1/chat/completions", Chat("go", $"\"temperature\":0,\"stream\":true,\"tools\":[{Weather}]"))).Content.ReadAsStringAsync());
        JsonElement[] chunks = [.. events[..^1].Select(static data => JsonDocument.Parse(data).RootElement.GetProperty("choices")[0])];
        Assert.HasCount(3, chunks, "the role, the call, the reason; no part of a call is text");
        JsonElement delta = chunks[1].GetProperty("delta").GetProperty("tool_calls")[0];
        Assert.AreEqual((0, "weather", """{"city":"Bonn"}"""), (delta.GetProperty("index").GetInt32(), delta.GetProperty("function").GetProperty("name").GetString(), delta.GetProperty("function").GetProperty("arguments").GetString()));
        Assert.AreEqual("tool_calls", chunks[2].GetProperty("finish_reason").GetString());
    }

    // The model would rather say hello.
    [TestMethod]
    public async Task The_choice_decides_whether_and_which_tool_is_called()
    {
        string? seen = null;
        using TestServing server = Server(prompt => { seen = prompt; return "hello"; });
        HttpClient client = await server.ReadyAsync();
        foreach (string choice in (string[])["\"auto\"", "\"none\""])
        {
            JsonElement free = await AskAsync(client, $"\"tools\":[{Time}],\"tool_choice\":{choice}");
            Assert.AreEqual(("hello", "stop"), (free.GetProperty("message").GetProperty("content").GetString(), free.GetProperty("finish_reason").GetString()));
            Assert.IsFalse(free.GetProperty("message").TryGetProperty("tool_calls", out _));
            Assert.AreEqual(choice == "\"auto\"", seen!.Contains("\"time\"", StringComparison.Ordinal), "Tools that can't be called are not told.");
        }

        foreach (string choice in (string[])["\"required\"", """{"type":"function","function":{"name":"time"}}"""])
        {
            JsonElement forced = await AskAsync(client, $"\"tools\":[{Time}],\"parallel_tool_calls\":false,\"tool_choice\":{choice}");
            Assert.AreEqual(("time", "{}"), (forced.GetProperty("message").GetProperty("tool_calls")[0].GetProperty("function").GetProperty("name").GetString(), forced.GetProperty("message").GetProperty("tool_calls")[0].GetProperty("function").GetProperty("arguments").GetString()));
        }

        JsonElement named = await AskAsync(client, $$$"""
            "tools":[{{{Time}}},{"type":"function","function":{"name":"now"}}],"parallel_tool_calls":false,"tool_choice":{"type":"function","function":{"name":"now"}}
            """);
        Assert.AreEqual("now", named.GetProperty("message").GetProperty("tool_calls")[0].GetProperty("function").GetProperty("name").GetString());
    }

    [TestMethod]
    public async Task Several_calls_come_unless_the_request_forbids_it_and_what_is_cut_off_is_text()
    {
        using TestServing server = Server(static _ => Call + "\n" + Call);
        HttpClient client = await server.ReadyAsync();
        Assert.AreEqual(2, (await AskAsync(client, $"\"tools\":[{Weather}]")).GetProperty("message").GetProperty("tool_calls").GetArrayLength());
        Assert.AreEqual(1, (await AskAsync(client, $"\"tools\":[{Weather}],\"parallel_tool_calls\":false")).GetProperty("message").GetProperty("tool_calls").GetArrayLength());
        JsonElement cut = await AskAsync(client, $"\"tools\":[{Weather}],\"max_tokens\":20");
        Assert.AreEqual((Call[..20], "length"), (cut.GetProperty("message").GetProperty("content").GetString(), cut.GetProperty("finish_reason").GetString()));
        string[] events = Events(await (await client.PostAsync("/v1/chat/completions", Chat("go", $"\"temperature\":0,\"stream\":true,\"max_tokens\":20,\"tools\":[{Weather}]"))).Content.ReadAsStringAsync());
        Assert.AreEqual(Call[..20], JsonDocument.Parse(events[1]).RootElement.GetProperty("choices")[0].GetProperty("delta").GetProperty("content").GetString());
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public async Task Microsoft_Extensions_AI_calls_functions_and_gives_their_results_back(bool stream)
    {
        List<string> prompts = [];
        using TestServing server = Server(prompt =>
        {
            lock (prompts)
            {
                if (prompts.Count == 0 || prompts[^1] != prompt) prompts.Add(prompt);
            }

            return prompt.Contains("<tool_response>", StringComparison.Ordinal) ? "It rains." : Call;
        });
        var openAi = new OpenAIClient(new ApiKeyCredential("any"), new OpenAIClientOptions { Endpoint = new Uri("http://localhost/v1"), Transport = new HttpClientPipelineTransport(await server.ReadyAsync()) });
        using IChatClient client = openAi.GetChatClient("tiny").AsIChatClient().AsBuilder().UseFunctionInvocation().Build();
        List<string> cities = [];
        AIFunction weather = AIFunctionFactory.Create((string city) => { cities.Add(city); return "rain in " + city; }, "weather", "The weather in a city.");
        ChatOptions options = new() { Tools = [weather], Temperature = 0 };
        ChatResponse response = stream ? await client.GetStreamingResponseAsync("go out?", options).ToChatResponseAsync() : await client.GetResponseAsync("go out?", options);
        Assert.AreEqual(("It rains.", ChatFinishReason.Stop), (response.Text, response.FinishReason!.Value));
        CollectionAssert.AreEqual(new[] { "Bonn" }, cities);
        Assert.HasCount(2, prompts);
        StringAssert.EndsWith(prompts[1], $"<|endoftext|>a{Call}<|endoftext|>u<tool_response>{{\"name\":\"weather\",\"content\":\"rain in Bonn\"}}</tool_response><|endoftext|>a");
    }

    // A tool's open schema lets a model nest as deep as JSON is read, 64 levels; what holds a call has some more.
    [TestMethod]
    public async Task Arguments_that_are_nested_deep_are_given_and_taken_back()
    {
        const string Open = """{"type":"function","function":{"name":"open","parameters":{"type":"object"}}}""";
        string arguments = $$"""{"a":{{new string('[', 63)}}{{new string(']', 63)}}}""", called = $$"""<tool_call>{"name":"open","arguments":{{arguments}}}</tool_call>""";
        List<string> prompts = [];
        using TestServing server = Server(prompt =>
        {
            lock (prompts) prompts.Add(prompt);
            return prompt.Contains("<tool_response>", StringComparison.Ordinal) ? "ok" : called;
        });
        HttpClient client = await server.ReadyAsync();
        JsonElement call = (await AskAsync(client, $"\"max_tokens\":600,\"tools\":[{Open}]")).GetProperty("message").GetProperty("tool_calls")[0];
        Assert.AreEqual(arguments, call.GetProperty("function").GetProperty("arguments").GetString());
        string[] events = Events(await (await client.PostAsync("/v1/chat/completions", Chat("go", $"\"temperature\":0,\"stream\":true,\"max_tokens\":600,\"tools\":[{Open}]"))).Content.ReadAsStringAsync());
        Assert.AreEqual(arguments, JsonDocument.Parse(events[1]).RootElement.GetProperty("choices")[0].GetProperty("delta").GetProperty("tool_calls")[0].GetProperty("function").GetProperty("arguments").GetString());
        string body = $$"""
            {"model":"tiny","temperature":0,"tools":[{{Open}}],"messages":[{"role":"user","content":"go"},{"role":"assistant","tool_calls":[{{call.GetRawText()}}]},{"role":"tool","tool_call_id":{{call.GetProperty("id").GetRawText()}},"content":"fine"}]}
            """;
        using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", new StringContent(body, System.Text.Encoding.UTF8, "application/json"));
        Assert.AreEqual("ok", (await JsonAsync(response)).GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        StringAssert.Contains(prompts[^1], called);
    }
}
