using System.Net;
using System.Text;
using System.Text.Json;
using static ServingApp.Tests.TestServing;

namespace ServingApp.Tests;

[TestClass]
public sealed class BadRequestTests
{
    private static readonly HashSet<string> Members = ["message", "type", "param", "code"];

    [TestMethod]
    public async Task What_can_not_be_honoured_is_refused_by_name_and_never_ignored()
    {
        using TestServing server = Saying(static _ => "x");
        HttpClient client = await server.ReadyAsync();
        foreach ((string more, string param) in ((string, string)[])
        [
            ("\"tools\":[{\"type\":\"function\"}]", "tools[0].function"), ("\"tools\":[{\"type\":\"web_search\"}]", "tools[0].type"), ("\"tools\":7", "tools"), ("\"tool_choice\":\"required\"", "tool_choice"), ("\"tool_choice\":\"any\"", "tool_choice"),
            ("\"tools\":[{\"type\":\"function\",\"function\":{}}]", "tools[0].function.name"), ("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":3}}]", "tools[0].function.parameters"), ("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"other\":3}}]", "tools[0].function.other"),
            ("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]", "tools[1].function.name"), ("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"g\"}}", "tool_choice.function.name"),
            ("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"fish\"}}}]", "tools"), ("\"parallel_tool_calls\":3", "parallel_tool_calls"), ("\"functions\":[{}]", "functions"), ("\"response_format\":{\"type\":\"xml\"}", "response_format.type"), ("\"response_format\":{\"type\":\"json_schema\"}", "response_format.json_schema"), ("\"logprobs\":3", "logprobs"), ("\"logprobs\":true,\"top_logprobs\":21", "top_logprobs"),
            ("\"top_logprobs\":2", "top_logprobs"), ("\"logit_bias\":{\"x\":1}", "logit_bias"), ("\"logit_bias\":{\"5\":101}", "logit_bias.5"), ("\"presence_penalty\":3", "presence_penalty"), ("\"frequency_penalty\":-3", "frequency_penalty"), ("\"store\":true", "store"),
            ("\"metadata\":7", "metadata"), ("\"prediction\":\"x\"", "prediction"), ("\"service_tier\":\"flex\"", "service_tier"), ("\"reasoning_effort\":\"low\"", "reasoning_effort"), ("\"verbosity\":\"low\"", "verbosity"), ("\"min_p\":2", "min_p"), ("\"typical_p\":0.5", "typical_p"), ("\"stream_options\":{}", "stream_options"), ("\"stream\":true,\"stream_options\":{\"x\":1}", "stream_options.x"), ("\"modalities\":[\"audio\"]", "modalities"),
            ("\"temperature\":3", "temperature"), ("\"temperature\":\"1\"", "temperature"), ("\"top_p\":-0.1", "top_p"), ("\"top_p\":1.5", "top_p"), ("\"max_tokens\":0", "max_tokens"), ("\"max_tokens\":1.5", "max_tokens"), ("\"max_tokens\":100000", "max_tokens"),
            ("\"max_tokens\":4,\"max_completion_tokens\":5", "max_tokens"), ("\"n\":0", "n"), ("\"n\":9", "n"), ("\"stop\":\"\"", "stop"), ("\"stop\":[1]", "stop"), ("\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"]", "stop"), ("\"seed\":\"x\"", "seed"),
            ("\"stream\":1", "stream"), ("\"repetition_penalty\":0", "repetition_penalty"), ("\"n\":1,\"n\":2", "n"),
            ("\"repetition_penalty\":1e-60", "repetition_penalty"), ("\"min_p\":1e-60,\"top_p\":2", "top_p"), ("\"min_p\":1", "min_p"), ("\"temperature\":1e400", "temperature"),
        ])
        {
            using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", Chat("go", more));
            Assert.AreEqual(HttpStatusCode.BadRequest, response.StatusCode, more);
            JsonElement error = (await JsonAsync(response)).GetProperty("error");
            Assert.IsTrue(Members.SetEquals(error.EnumerateObject().Select(static member => member.Name)), more);
            Assert.AreEqual(param, error.GetProperty("param").GetString(), more);
            if (param != "tools" || more.Contains('7', StringComparison.Ordinal)) StringAssert.Contains(error.GetProperty("message").GetString(), param, more); // the schema of a tool is named by the tool
            Assert.AreEqual("invalid_request_error", error.GetProperty("type").GetString());
        }
    }

    [TestMethod]
    public async Task Values_that_change_nothing_are_taken()
    {
        using TestServing server = Saying(static _ => "x");
        HttpClient client = await server.ReadyAsync();
        using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", Chat("go",
            "\"tools\":[],\"tool_choice\":\"auto\",\"response_format\":{\"type\": \"text\"},\"logprobs\":false,\"top_logprobs\":null,\"logit_bias\":{},\"presence_penalty\":0,\"frequency_penalty\":0.0,\"store\":false,\"user\":\"me\",\"n\":1,\"top_p\":1,\"top_k\":0,"
            + "\"metadata\":{\"a\":\"b\"},\"prediction\":{\"type\":\"content\",\"content\":\"x\"},\"prompt_cache_key\":\"k\",\"prompt_cache_retention\":\"24h\",\"safety_identifier\":\"me\",\"service_tier\":\"auto\",\"reasoning_effort\":\"none\",\"verbosity\":\"medium\""));
        Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    [TestMethod]
    public async Task A_refusal_tells_the_value_and_the_remedy()
    {
        using TestServing server = Saying(static _ => "x");
        HttpClient client = await server.ReadyAsync();
        foreach ((string more, string message) in ((string, string)[])
        [
            ("\"store\":true", "'store' is true, which this server does not support. Nothing is kept here; leave it out."),
            ("\"service_tier\":\"flex\"", "'service_tier' is \"flex\", which this server does not support. There is one tier here; leave it out."),
            ("\"audio\":{\"voice\":\"x\"}", "'audio' is a JSON object, which this server does not support. Leave it out."),
        ])
        {
            using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", Chat("go", more));
            Assert.AreEqual(message, (await JsonAsync(response)).GetProperty("error").GetProperty("message").GetString());
        }
    }

    [TestMethod]
    public async Task Values_at_the_ends_of_their_ranges_are_taken()
    {
        using TestServing server = Saying(static _ => "x");
        HttpClient client = await server.ReadyAsync();
        foreach (string more in (string[])["\"repetition_penalty\":1e-40", "\"repetition_penalty\":100", "\"top_p\":1e-30", "\"top_p\":0", "\"top_p\":1e-60", "\"min_p\":0.999", "\"temperature\":1e-30", "\"logit_bias\":{\"5\":-100,\"6\":100}", "\"seed\":-9223372036854775808"])
        {
            using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", Chat("go", more));
            Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, more + await response.Content.ReadAsStringAsync());
        }
    }

    [TestMethod]
    [DataRow(0L, 0)]
    [DataRow(-1L, -1)]
    [DataRow(2_147_483_647L, int.MaxValue)]
    [DataRow(-2_147_483_648L, int.MinValue)]
    [DataRow(0x1_0000_0005L, 4)]                        // 1 ^ 5
    [DataRow(long.MaxValue, -2_147_483_648)]            // 0x7FFF_FFFF ^ 0xFFFF_FFFF
    public void A_seed_of_32_bits_is_itself(long seed, int expected) => Assert.AreEqual(expected, ServingApp.OpenAi.GenerationRequest.Fold(seed));

    // What clients of OpenAI's send back, or say of an agent.
    [TestMethod]
    public async Task Names_of_participants_and_pieces_of_calls_are_taken()
    {
        string? asked = null;
        using TestServing server = Saying(prompt => (asked = prompt) is null ? "" : "x");
        HttpClient client = await server.ReadyAsync();
        using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", Body("""
            {"messages":[{"role":"user","name":"ann","content":"go"},{"role":"assistant","name":"bot","content":null,"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"now","arguments":""}}]},
            {"role":"tool","tool_call_id":"c1","content":"noon"}],"tools":[{"type":"function","function":{"name":"now","parameters":{}}}]}
            """));
        Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, await response.Content.ReadAsStringAsync());
        StringAssert.Contains(asked, """{"name":"now","arguments":{}}""");
    }

    [TestMethod]
    public async Task Malformed_conversations_and_bodies_are_refused()
    {
        using TestServing server = Saying(static _ => "x");
        HttpClient client = await server.ReadyAsync();
        foreach ((string body, string? param, string? code) in ((string, string?, string?)[])
        [
            ("{", null, null), ("[]", null, null), ("{}", "messages", null), ("""{"messages":"hi"}""", "messages", null), ("""{"messages":[]}""", "messages", "invalid_conversation"),
            ("""{"messages":[{"role":"user"}]}""", "messages[0].content", null), ("""{"messages":[{"content":"x"}]}""", "messages[0].role", null), ("""{"messages":[{"role":"critic","content":"x"}]}""", "messages[0].role", null), ("""{"messages":[{"role":"tool","content":"x"}]}""", "messages[0].tool_call_id", null),
            ("""{"messages":[{"role":"user","content":"x"},{"role":"tool","content":"x","tool_call_id":"c"}]}""", "messages[1].tool_call_id", null), ("""{"messages":[{"role":"user","content":"x","tool_calls":[{}]}]}""", "messages[0].tool_calls", "unsupported_parameter"),
            ("""{"messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"[1]"}}]}]}""", "messages[1].tool_calls[0].function.arguments", null),
            ("""{"messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}]}""", "messages[1]", "invalid_conversation"),
            ("""{"messages":[{"role":"user","content":"x","mood":"y"}]}""", "messages[0].mood", "unsupported_parameter"), ("""{"messages":[{"role":"user","content":"x","name":7}]}""", "messages[0].name", null), ("""{"messages":[{"role":"assistant","content":"x"}]}""", "messages[0]", "invalid_conversation"),
            ("""{"messages":[{"role":"user","content":"x"},{"role":"user","content":"y"},{"role":"assistant","content":"z"}]}""", "messages[2]", "invalid_conversation"),
            ("""{"messages":[{"role":"system","content":"x"},{"role":"system","content":"y"},{"role":"assistant","content":"z"},{"role":"user","content":"w"}]}""", "messages[2]", "invalid_conversation"),
            ("""{"messages":[{"role":"system","content":"x"},{"role":"developer","content":"y"}]}""", "messages", "invalid_conversation"),
            ("""{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}""", "messages[0].content[0].type", "unsupported_content"), ("""{"messages":[{"role":"user","content":"ж"}]}""", null, null),
        ])
        {
            using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", Body(body));
            Assert.AreEqual(HttpStatusCode.BadRequest, response.StatusCode, body);
            JsonElement error = (await JsonAsync(response)).GetProperty("error");
            Assert.AreEqual((param, code), (error.GetProperty("param").GetString(), error.GetProperty("code").GetString()), body);
        }

        using HttpResponseMessage other = await client.PostAsync("/v1/chat/completions", new StringContent("{}", Encoding.UTF8, "text/plain"));
        Assert.AreEqual(HttpStatusCode.UnsupportedMediaType, other.StatusCode);
        foreach (string path in (string[])["/v1/responses", "/chat/completions", "/a.png"])
        {
            using HttpResponseMessage unknown = await client.PostAsync(path, Body("{}"));
            Assert.AreEqual((HttpStatusCode.NotFound, "unknown_url"), (unknown.StatusCode, (await JsonAsync(unknown)).GetProperty("error").GetProperty("code").GetString()), path);
        }

        using HttpResponseMessage model = await client.PostAsync("/v1/chat/completions", Body("""{"model":"gpt-4o","messages":[{"role":"user","content":"x"}]}"""));
        Assert.AreEqual((HttpStatusCode.NotFound, "model_not_found"), (model.StatusCode, (await JsonAsync(model)).GetProperty("error").GetProperty("code").GetString()));
    }

    [TestMethod]
    public async Task The_settings_bound_lengths_answers_and_texts()
    {
        using TestServing server = Saying(static _ => "abcdefghij", ("DefaultNewTokens", "3"), ("MaxNewTokens", "5"), ("MaxChoices", "4"), ("BatchRows", "2"));
        HttpClient client = await server.ReadyAsync();
        foreach ((string more, string text) in ((string, string)[])[("", "abc"), ("\"max_tokens\":5", "abcde"), ("\"max_completion_tokens\":2", "ab"), ("\"n\":2", "abc")])
        {
            using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", Chat("go", more));
            JsonElement choice = (await JsonAsync(response)).GetProperty("choices")[0];
            Assert.AreEqual((text, "length"), (choice.GetProperty("message").GetProperty("content").GetString(), choice.GetProperty("finish_reason").GetString()), more);
        }

        foreach ((string more, string param) in ((string, string)[])[("\"max_tokens\":6", "max_tokens"), ("\"n\":3", "n"), ("\"stop\":\"a\",\"response_format\":{\"type\":\"json_object\"}", "stop")])
        {
            using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", Chat("go", more));
            Assert.AreEqual((HttpStatusCode.BadRequest, param), (response.StatusCode, (await JsonAsync(response)).GetProperty("error").GetProperty("param").GetString()), more);
        }

        using HttpResponseMessage texts = await client.PostAsync("/v1/score", Body(JsonSerializer.Serialize(new { input = Enumerable.Repeat("a", (32 * 4) + 1) })));
        Assert.AreEqual((HttpStatusCode.BadRequest, "input"), (texts.StatusCode, (await JsonAsync(texts)).GetProperty("error").GetProperty("param").GetString()));
    }

    [TestMethod]
    public async Task What_is_too_large_is_refused()
    {
        using TestServing server = Saying(static _ => "x", ("MaxRequestBytes", "1000"), ("MaxPromptTokens", "30"));
        HttpClient client = await server.ReadyAsync();
        using HttpResponseMessage large = await client.PostAsync("/v1/chat/completions", Chat(new string('a', 1000)));
        Assert.AreEqual((HttpStatusCode.RequestEntityTooLarge, "request_too_large"), (large.StatusCode, (await JsonAsync(large)).GetProperty("error").GetProperty("code").GetString()));
        Assert.IsTrue(large.Headers.ConnectionClose, "nobody reads the rest of the body");
        using var unknownLength = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = Chat(new string('a', 1000)) };
        unknownLength.Headers.TransferEncodingChunked = true;
        using HttpResponseMessage chunked = await client.SendAsync(unknownLength);
        Assert.AreEqual(HttpStatusCode.RequestEntityTooLarge, chunked.StatusCode);

        // 1 + (1 + n + 1) + 1 tokens of a message of n letters: 26 fit 30, 27 do not.
        Assert.AreEqual(HttpStatusCode.OK, (await client.PostAsync("/v1/chat/completions", Chat(new string('a', 26)))).StatusCode);
        using HttpResponseMessage longer = await client.PostAsync("/v1/chat/completions", Chat(new string('a', 27)));
        JsonElement tooLong = (await JsonAsync(longer)).GetProperty("error");
        Assert.AreEqual((HttpStatusCode.BadRequest, "context_length_exceeded"), (longer.StatusCode, tooLong.GetProperty("code").GetString()));
        Assert.AreEqual("The prompt has 31 tokens; at most 30 are taken. Shorten it; of a conversation, leave out the oldest turns.", tooLong.GetProperty("message").GetString(), "what a client can do, not an option of the library");
        Assert.AreEqual(HttpStatusCode.BadRequest, (await client.PostAsync("/v1/completions", Body($$"""{"prompt":"{{new string('a', 31)}}"}"""))).StatusCode);
    }

    [TestMethod]
    [DataRow("/v1/chat/completions", """{"messages":[{"role":"user","content":"TEXT"}]}""")]
    [DataRow("/v1/completions", """{"prompt":"TEXT"}""")]
    [DataRow("/v1/score", """{"input":"TEXT"}""")]
    public async Task A_text_that_is_too_long_is_told_what_a_client_can_do_and_not_the_librarys_options(string path, string body)
    {
        using TestServing server = Saying(static _ => "x");
        HttpClient client = await server.ReadyAsync();
        using HttpResponseMessage answer = await client.PostAsync(path, Body(body.Replace("TEXT", new string('a', 20_000), StringComparison.Ordinal)));
        JsonElement error = (await JsonAsync(answer)).GetProperty("error");
        Assert.AreEqual((HttpStatusCode.BadRequest, "context_length_exceeded"), (answer.StatusCode, error.GetProperty("code").GetString()));
        StringAssert.Matches(error.GetProperty("message").GetString(), new System.Text.RegularExpressions.Regex(@"^The prompt has 20\d{3} tokens; at most \d+ are taken\. Shorten it; of a conversation, leave out the oldest turns\.$"));
    }
}
