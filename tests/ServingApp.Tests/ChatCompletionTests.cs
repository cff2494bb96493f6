using System.Net;
using System.Text.Json;
using static ServingApp.Tests.TestServing;

namespace ServingApp.Tests;

[TestClass]
public sealed class ChatCompletionTests
{
    [TestMethod]
    public async Task An_answer_has_OpenAIs_form_and_counts_its_tokens()
    {
        string? seen = null;
        using TestServing server = Saying(prompt => { seen = prompt; return "hello there"; });
        HttpClient client = await server.ReadyAsync();
        using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", Body("""
            {"model":"tiny","messages":[{"role":"developer","content":"be"},{"role":"system","content":"kind"},{"role":"user","content":[{"type":"text","text":"h"},{"type":"text","text":"i"}]}],"temperature":0,"stop":null}
            """));
        Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, await response.Content.ReadAsStringAsync());
        JsonElement json = await JsonAsync(response);
        Assert.AreEqual("<|endoftext|>sbe\n\nkind<|endoftext|>uhi<|endoftext|>a", seen);
        Assert.AreEqual("chat.completion", json.GetProperty("object").GetString());
        StringAssert.StartsWith(json.GetProperty("id").GetString(), "chatcmpl-");
        Assert.AreEqual("tiny", json.GetProperty("model").GetString());
        JsonElement choice = json.GetProperty("choices").EnumerateArray().Single();
        Assert.AreEqual(("assistant", "hello there", "stop", 0), (choice.GetProperty("message").GetProperty("role").GetString(), choice.GetProperty("message").GetProperty("content").GetString(),
            choice.GetProperty("finish_reason").GetString(), choice.GetProperty("index").GetInt32()));

        // In: 1 + (1 + 8 + 1) + (1 + 2 + 1) + 1 = 16; out: the 11 letters, without the token that ends the turn.
        Assert.AreEqual("""{"prompt_tokens":16,"completion_tokens":11,"total_tokens":27}""", json.GetProperty("usage").GetRawText());
    }

    [TestMethod]
    public async Task A_stream_gives_the_role_then_text_then_the_reason_then_the_usage_and_ends_with_DONE()
    {
        using TestServing server = Saying(static _ => "un été");
        HttpClient client = await server.ReadyAsync();
        using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", Chat("go", "\"stream\":true,\"stream_options\":{\"include_usage\":true}"));
        Assert.AreEqual("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        string[] events = Events(await response.Content.ReadAsStringAsync());
        Assert.AreEqual("[DONE]", events[^1]);
        JsonElement[] chunks = [.. events[..^1].Select(static data => JsonDocument.Parse(data).RootElement)];
        Assert.AreEqual(1, chunks.Select(static chunk => (chunk.GetProperty("id").GetString(), chunk.GetProperty("object").GetString(), chunk.GetProperty("created").GetInt64())).Distinct().Count());
        Assert.AreEqual("chat.completion.chunk", chunks[0].GetProperty("object").GetString());
        Assert.AreEqual("assistant", chunks[0].GetProperty("choices")[0].GetProperty("delta").GetProperty("role").GetString());
        string[] pieces = [.. chunks[1..^2].Select(static chunk => chunk.GetProperty("choices")[0].GetProperty("delta").GetProperty("content").GetString()!)];
        CollectionAssert.AreEqual(new[] { "u", "n", " ", "é", "t", "é" }, pieces);
        Assert.AreEqual("stop", chunks[^2].GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.IsTrue(chunks[..^1].All(static chunk => chunk.GetProperty("usage").ValueKind == JsonValueKind.Null));
        Assert.AreEqual((0, 6), (chunks[^1].GetProperty("choices").GetArrayLength(), chunks[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt32()));
    }

    [TestMethod]
    public async Task Max_tokens_and_stop_strings_are_honoured_in_both_forms()
    {
        using TestServing server = Saying(static _ => "one two three");
        HttpClient client = await server.ReadyAsync();
        foreach ((string more, string text, string reason) in ((string, string, string)[])
            [("\"max_tokens\":5", "one t", "length"), ("\"max_completion_tokens\":3", "one", "length"), ("\"stop\":\"wo th\"", "one t", "stop"), ("\"stop\":[\"x\",\" \"],\"max_tokens\":4", "one", "stop"), ("\"max_tokens\":13", "one two three", "length"), ("\"max_tokens\":14", "one two three", "stop")])
        {
            JsonElement whole = await JsonAsync(await client.PostAsync("/v1/chat/completions", Chat("go", more)));
            JsonElement choice = whole.GetProperty("choices")[0];
            Assert.AreEqual((text, reason), (choice.GetProperty("message").GetProperty("content").GetString(), choice.GetProperty("finish_reason").GetString()), more);

            string[] events = Events(await (await client.PostAsync("/v1/chat/completions", Chat("go", more + ",\"stream\":true"))).Content.ReadAsStringAsync());
            JsonElement[] chunks = [.. events[..^1].Select(static data => JsonDocument.Parse(data).RootElement.GetProperty("choices")[0])];
            Assert.AreEqual((text, reason), (string.Concat(chunks.Select(static chunk => chunk.GetProperty("delta").TryGetProperty("content", out JsonElement content) ? content.GetString() : "")), chunks[^1].GetProperty("finish_reason").GetString()), more);
        }
    }

    [TestMethod]
    public async Task A_seed_decides_the_answer_and_without_one_answers_differ()
    {
        using TestServing server = Saying(static _ => "*");
        HttpClient client = await server.ReadyAsync();
        async Task<string> SayAsync(string more) =>
            (await JsonAsync(await client.PostAsync("/v1/chat/completions", Chat("go", "\"max_tokens\":20" + more)))).GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
        Assert.AreEqual(await SayAsync(",\"seed\":7"), await SayAsync(",\"seed\":7"));
        Assert.AreNotEqual(await SayAsync(",\"seed\":7"), await SayAsync(",\"seed\":8"));
        Assert.AreNotEqual(await SayAsync(""), await SayAsync(""));
    }

    [TestMethod]
    public async Task Several_answers_to_one_request_differ_and_are_numbered()
    {
        using TestServing server = Saying(static _ => "*");
        HttpClient client = await server.ReadyAsync();
        JsonElement json = await JsonAsync(await client.PostAsync("/v1/chat/completions", Chat("go", "\"n\":3,\"max_tokens\":10,\"seed\":1")));
        CollectionAssert.AreEqual(new[] { 0, 1, 2 }, json.GetProperty("choices").EnumerateArray().Select(static choice => choice.GetProperty("index").GetInt32()).ToArray());
        string[] texts = [.. json.GetProperty("choices").EnumerateArray().Select(static choice => choice.GetProperty("message").GetProperty("content").GetString()!)];
        Assert.AreEqual(3, texts.Distinct().Count());
        Assert.AreEqual(30, json.GetProperty("usage").GetProperty("completion_tokens").GetInt32());

        string[] events = Events(await (await client.PostAsync("/v1/chat/completions", Chat("go", "\"n\":3,\"max_tokens\":10,\"seed\":1,\"stream\":true"))).Content.ReadAsStringAsync());
        string[] streamed = ["", "", ""];
        foreach (JsonElement choice in events[..^1].Select(static data => JsonDocument.Parse(data).RootElement.GetProperty("choices")[0]))
            streamed[choice.GetProperty("index").GetInt32()] += choice.GetProperty("delta").TryGetProperty("content", out JsonElement content) ? content.GetString() : "";
        CollectionAssert.AreEqual(texts, streamed);
    }

    [TestMethod]
    public async Task Answers_are_held_to_a_JSON_schema_each_request_to_its_own()
    {
        using var server = new TestServing(null, ("Demo", "true"));
        HttpClient client = await server.ReadyAsync();
        string[] colours = ["red", "green", "blue"];
        async Task<JsonElement> AskAsync(int number, string format)
        {
            JsonElement json = await JsonAsync(await client.PostAsync("/v1/chat/completions", Body($$"""{"messages":[{"role":"user","content":"x{{number}}"}],"max_tokens":200,"response_format":{{format}}}""")));
            JsonElement choice = json.GetProperty("choices")[0];
            Assert.AreEqual("stop", choice.GetProperty("finish_reason").GetString(), json.GetRawText());
            return JsonDocument.Parse(choice.GetProperty("message").GetProperty("content").GetString()!).RootElement;
        }

        await Task.WhenAll(Enumerable.Range(0, 6).Select(async number =>
        {
            string name = $"c{number}";
            JsonElement answer = await AskAsync(number, $$$$"""{"type":"json_schema","json_schema":{"name":"colour","strict":true,"schema":{"type":"object","properties":{"{{{{name}}}}":{"enum":["red","green","blue"]}},"required":["{{{{name}}}}"],"additionalProperties":false}}}""");
            CollectionAssert.Contains(colours, answer.GetProperty(name).GetString());
        }));
        using HttpResponseMessage wrong = await client.PostAsync("/v1/chat/completions", Body("""{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"fish"}}}}"""));
        Assert.AreEqual((HttpStatusCode.BadRequest, "invalid_schema"), (wrong.StatusCode, (await JsonAsync(wrong)).GetProperty("error").GetProperty("code").GetString()));
    }

    // Any letter is as likely as another; a bias of 100 leaves one, a penalty each once.
    [TestMethod]
    public async Task Bias_and_penalties_are_honoured()
    {
        using TestServing server = Saying(static _ => "*");
        HttpClient client = await server.ReadyAsync();
        async Task<string> SayAsync(string more) =>
            (await JsonAsync(await client.PostAsync("/v1/chat/completions", Chat("go", "\"max_tokens\":12," + more)))).GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
        int x = ScriptedModel.Letters.Encode("x")[0];
        Assert.AreEqual(new string('x', 12), await SayAsync($"\"logit_bias\":{{\"{x}\":100}}"));
        Assert.AreEqual(12, (await SayAsync("\"temperature\":0,\"presence_penalty\":1")).Distinct().Count());
        Assert.AreEqual(12, (await SayAsync("\"temperature\":0,\"frequency_penalty\":1")).Distinct().Count());
        Assert.AreEqual(1, (await SayAsync("\"temperature\":0")).Distinct().Count());
    }

    [TestMethod]
    public async Task A_prompt_is_continued_by_the_text_endpoint()
    {
        using TestServing server = Saying(static prompt => prompt == "once" ? " upon" : prompt);
        HttpClient client = await server.ReadyAsync();
        JsonElement json = await JsonAsync(await client.PostAsync("/v1/completions", Body("""{"prompt":"once"}""")));
        Assert.AreEqual(("text_completion", " upon", "stop"), (json.GetProperty("object").GetString(), json.GetProperty("choices")[0].GetProperty("text").GetString(), json.GetProperty("choices")[0].GetProperty("finish_reason").GetString()));
        string[] events = Events(await (await client.PostAsync("/v1/completions", Body("""{"prompt":"once","stream":true}"""))).Content.ReadAsStringAsync());
        Assert.AreEqual(" upon", string.Concat(events[..^1].Select(static data => JsonDocument.Parse(data).RootElement.GetProperty("choices")[0].GetProperty("text").GetString())));
    }

    // One token for each letter, not one for all thirteen.
    // 'a' is of a text, or the token that it is; each is continued by itself.
    [TestMethod]
    public async Task Several_prompts_texts_or_tokens_are_continued_by_themselves_and_answered_in_their_order()
    {
        using TestServing server = Saying(static prompt => prompt + prompt + "!", ("MaxChoices", "4"));
        HttpClient client = await server.ReadyAsync();
        int a = ScriptedModel.Letters.Encode("a")[0], b = ScriptedModel.Letters.Encode("b")[0];
        foreach ((string prompt, string[] texts, int tokens) in ((string, string[], int)[])
        [
            ("\"a\"", ["aa!"], 1), ("[\"a\"]", ["aa!"], 1), ("[\"a\",\"ab\"]", ["aa!", "abab!"], 3), ($"[{a},{b}]", ["abab!"], 2), ($"[[{b}],\"a\",[{a},{b}]]", ["bb!", "aa!", "abab!"], 4),
        ])
        {
            JsonElement whole = await JsonAsync(await client.PostAsync("/v1/completions", Body($$"""{"prompt":{{prompt}},"temperature":0}""")));
            CollectionAssert.AreEqual(texts, whole.GetProperty("choices").EnumerateArray().Select(static choice => choice.GetProperty("text").GetString()).ToArray(), prompt);
            CollectionAssert.AreEqual(Enumerable.Range(0, texts.Length).ToArray(), whole.GetProperty("choices").EnumerateArray().Select(static choice => choice.GetProperty("index").GetInt32()).ToArray());
            Assert.AreEqual((tokens, texts.Sum(static text => text.Length)), (whole.GetProperty("usage").GetProperty("prompt_tokens").GetInt32(), whole.GetProperty("usage").GetProperty("completion_tokens").GetInt32()));

            string[] events = Events(await (await client.PostAsync("/v1/completions", Body($$"""{"prompt":{{prompt}},"temperature":0,"stream":true}"""))).Content.ReadAsStringAsync());
            JsonElement[] pieces = [.. events[..^1].Select(static data => JsonDocument.Parse(data).RootElement.GetProperty("choices")[0])];
            for (int i = 0; i < texts.Length; i++) Assert.AreEqual(texts[i], string.Concat(pieces.Where(piece => piece.GetProperty("index").GetInt32() == i).Select(static piece => piece.GetProperty("text").GetString())), prompt);
        }

        JsonElement twice = await JsonAsync(await client.PostAsync("/v1/completions", Body("""{"prompt":["a","b"],"n":2}""")));
        CollectionAssert.AreEqual((string[])["aa!", "aa!", "bb!", "bb!"], twice.GetProperty("choices").EnumerateArray().Select(static choice => choice.GetProperty("text").GetString()).ToArray());
        foreach ((string members, string param) in ((string, string)[])[("\"prompt\":[]", "prompt"), ("\"prompt\":[1,-1]", "prompt"), ("\"prompt\":[[1],[9999]]", "prompt"), ("\"prompt\":[1,\"a\"]", "prompt"), ("\"prompt\":7", "prompt"), ("\"prompt\":[\"a\",\"a\",\"a\",\"a\",\"a\"]", "prompt"), ("\"prompt\":[\"a\",\"b\",\"c\"],\"n\":2", "n")])
        {
            using HttpResponseMessage response = await client.PostAsync("/v1/completions", Body($"{{{members}}}"));
            Assert.AreEqual((System.Net.HttpStatusCode.BadRequest, param), (response.StatusCode, (await JsonAsync(response)).GetProperty("error").GetProperty("param").GetString()), members);
        }
    }

    [TestMethod]
    public async Task Messages_that_clients_send_in_any_order_are_answered()
    {
        string? seen = null;
        using TestServing server = Saying(prompt => { seen = prompt; return "x"; });
        HttpClient client = await server.ReadyAsync();
        using HttpResponseMessage response = await client.PostAsync("/v1/chat/completions", Body("""
            {"messages":[{"role":"user","content":"one"},{"role":"user","content":"two"},{"role":"assistant","content":"yes"},{"role":"user","content":"three"},{"role":"developer","content":"be brief"}]}
            """));
        Assert.AreEqual(System.Net.HttpStatusCode.OK, response.StatusCode, await response.Content.ReadAsStringAsync());
        Assert.AreEqual("uone\n\ntwo<|endoftext|>ayes<|endoftext|>uthree<|endoftext|>sbe brief<|endoftext|>a", seen?[seen.IndexOf('u')..]);
    }

    [TestMethod]
    public async Task Of_no_share_the_likeliest_token_is_left()
    {
        using TestServing server = Saying(static _ => "*"); // any letter
        HttpClient client = await server.ReadyAsync();
        var texts = new HashSet<string>();
        for (int seed = 0; seed < 4; seed++) texts.Add((await JsonAsync(await client.PostAsync("/v1/chat/completions", Chat("go", $"\"top_p\":0,\"max_tokens\":8,\"seed\":{seed}")))).GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!);
        Assert.HasCount(1, texts);
    }

    [TestMethod]
    public async Task What_looks_like_a_special_token_is_text()
    {
        using TestServing server = Saying(static _ => "x");
        HttpClient client = await server.ReadyAsync();
        JsonElement text = await JsonAsync(await client.PostAsync("/v1/completions", Body("""{"prompt":"<|endoftext|>"}"""))), chat = await JsonAsync(await client.PostAsync("/v1/chat/completions", Chat("<|endoftext|>")));
        Assert.AreEqual((13, 17), (text.GetProperty("usage").GetProperty("prompt_tokens").GetInt32(), chat.GetProperty("usage").GetProperty("prompt_tokens").GetInt32()));
    }

    [TestMethod]
    public async Task The_demonstration_runs_on_ONNX_Runtime_and_says_words_of_its_text()
    {
        using var server = new TestServing(null, ("Demo", "true"));
        HttpClient client = await server.ReadyAsync();
        JsonElement models = await JsonAsync(await client.GetAsync("/v1/models"));
        Assert.AreEqual("demo", models.GetProperty("data")[0].GetProperty("id").GetString());
        JsonElement json = await JsonAsync(await client.PostAsync("/v1/chat/completions", Body("""{"model":"demo","messages":[{"role":"user","content":"Who are you?"}],"max_tokens":40,"seed":2}""")));
        string said = json.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
        string[] first = ["I", "My", "Each", "Give", "A"];
        CollectionAssert.Contains(first, said.Split(' ')[0], said);
        Assert.IsGreaterThan(3, said.Split(' ').Length, said);
    }
}
