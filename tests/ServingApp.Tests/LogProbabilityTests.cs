using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text.Json;
using Microsoft.Extensions.AI;
using MLNet.Gpt;
using OpenAI;
using OpenAI.Chat;
using static ServingApp.Tests.TestServing;

namespace ServingApp.Tests;

[TestClass]
public sealed class LogProbabilityTests
{
    // The scripted model gives its letter the logit 60 and all others 0: ln p is -(V - 1)·e^-60 for it, which is 0, and -60 for the others.
    [TestMethod]
    public async Task A_chat_tells_them_with_bytes_and_alternatives_whole_and_streamed()
    {
        using TestServing server = Saying(static _ => "né… end");
        HttpClient client = await server.ReadyAsync();
        const string More = "\"logprobs\":true,\"top_logprobs\":3,\"temperature\":0,\"stop\":\" end\"";
        JsonElement whole = (await JsonAsync(await client.PostAsync("/v1/chat/completions", Chat("go", More)))).GetProperty("choices")[0];
        Assert.AreEqual("né…", whole.GetProperty("message").GetProperty("content").GetString());
        JsonElement[] content = [.. whole.GetProperty("logprobs").GetProperty("content").EnumerateArray()];
        CollectionAssert.AreEqual(new[] { "n", "é", "…" }, content.Select(static token => token.GetProperty("token").GetString()).ToArray(), "the tokens of the stop string are no part of the answer");
        CollectionAssert.AreEqual(new[] { 0xC3, 0xA9 }, content[1].GetProperty("bytes").EnumerateArray().Select(static value => value.GetInt32()).ToArray());
        foreach (JsonElement token in content)
        {
            Assert.AreEqual(0, token.GetProperty("logprob").GetDouble(), 1e-6);
            JsonElement[] top = [.. token.GetProperty("top_logprobs").EnumerateArray()];
            Assert.HasCount(3, top);
            Assert.AreEqual(token.GetProperty("token").GetString(), top[0].GetProperty("token").GetString());
            Assert.AreEqual(-60, top[1].GetProperty("logprob").GetDouble(), 1e-4);
        }

        string[] events = Events(await (await client.PostAsync("/v1/chat/completions", Chat("go", More + ",\"stream\":true"))).Content.ReadAsStringAsync());
        JsonElement[] chunks = [.. events[..^1].Select(static data => JsonDocument.Parse(data).RootElement.GetProperty("choices")[0])];
        foreach (JsonElement chunk in chunks)
        {
            string text = chunk.GetProperty("delta").TryGetProperty("content", out JsonElement piece) ? piece.GetString()! : "";
            string told = chunk.GetProperty("logprobs").ValueKind == JsonValueKind.Null ? "" : string.Concat(chunk.GetProperty("logprobs").GetProperty("content").EnumerateArray().Select(static token => token.GetProperty("token").GetString()));
            Assert.AreEqual(text, told, "each piece comes with its tokens");
        }

        JsonElement without = (await JsonAsync(await client.PostAsync("/v1/chat/completions", Chat("go")))).GetProperty("choices")[0];
        Assert.AreEqual(JsonValueKind.Null, without.GetProperty("logprobs").ValueKind);
    }

    [TestMethod]
    public async Task Alternatives_of_a_text_have_their_own_probabilities()
    {
        // Any letter is as likely as another: ln(1 / (V - 1)), e^5 against one end token of logit 0.
        using TestServing server = Saying(static _ => "*");
        HttpClient client = await server.ReadyAsync();
        double each = -Math.Log(ScriptedModel.Letters.EndOfTextId + Math.Exp(-5));
        JsonElement choice = (await JsonAsync(await client.PostAsync("/v1/completions", Body("""{"prompt":"go","max_tokens":6,"logprobs":2,"seed":1,"temperature":2}""")))).GetProperty("choices")[0];
        string text = choice.GetProperty("text").GetString()!;
        JsonElement logprobs = choice.GetProperty("logprobs");
        Assert.AreEqual(text, string.Concat(logprobs.GetProperty("tokens").EnumerateArray().Select(static token => token.GetString())));
        CollectionAssert.AreEqual(Enumerable.Range(0, 6).ToArray(), logprobs.GetProperty("text_offset").EnumerateArray().Select(static offset => offset.GetInt32()).ToArray());
        foreach (JsonElement value in logprobs.GetProperty("token_logprobs").EnumerateArray()) Assert.AreEqual(each, value.GetDouble(), 1e-5, "by the model's own distribution, whatever the temperature");
        foreach (JsonElement top in logprobs.GetProperty("top_logprobs").EnumerateArray()) Assert.AreEqual(2, top.EnumerateObject().Count());

        string[] events = Events(await (await client.PostAsync("/v1/completions", Body("""{"prompt":"go","max_tokens":6,"logprobs":0,"seed":1,"temperature":2,"stream":true}"""))).Content.ReadAsStringAsync());
        JsonElement[] told = [.. events[..^1].Select(static data => JsonDocument.Parse(data).RootElement.GetProperty("choices")[0].GetProperty("logprobs")).Where(static logprobs => logprobs.ValueKind == JsonValueKind.Object)];
        CollectionAssert.AreEqual(Enumerable.Range(0, 6).ToArray(), told.SelectMany(static logprobs => logprobs.GetProperty("text_offset").EnumerateArray()).Select(static offset => offset.GetInt32()).ToArray());
        Assert.IsTrue(told.All(static logprobs => logprobs.GetProperty("top_logprobs").ValueKind == JsonValueKind.Null));
    }

    [TestMethod]
    public async Task OpenAIs_client_reads_them()
    {
        using TestServing server = Saying(static _ => "abc");
        var openAi = new OpenAIClient(new ApiKeyCredential("any"), new OpenAIClientOptions { Endpoint = new Uri("http://localhost/v1"), Transport = new HttpClientPipelineTransport(await server.ReadyAsync()) });
        using IChatClient client = openAi.GetChatClient("tiny").AsIChatClient();
        ChatResponse response = await client.GetResponseAsync("go", new() { RawRepresentationFactory = static _ => new ChatCompletionOptions { IncludeLogProbabilities = true, TopLogProbabilityCount = 1 } });
        var completion = (ChatCompletion)response.RawRepresentation!;
        CollectionAssert.AreEqual(new[] { "a", "b", "c" }, completion.ContentTokenLogProbabilities.Select(static token => token.Token).ToArray());
        Assert.AreEqual(1, completion.ContentTokenLogProbabilities[0].TopLogProbabilities.Count);
    }

    // A tokenizer of bytes: a character of two bytes is two tokens.
    [TestMethod]
    public void Parts_of_a_character_come_with_the_character()
    {
        var text = new Queueing.SettledText();
        TokenLogProbability first = new(1, -1, []), second = new(2, -2, []), special = new(3, -3, []), cut = new(4, -4, []);
        Assert.AreEqual(("", 0), Shape(text.Append([0xC3], 1, first)));
        Assert.AreEqual(("é", 2), Shape(text.Append([0xA9], 2, second)));
        Assert.AreEqual(("", 0), Shape(text.Append([], 2, special)));
        Assert.AreEqual(("", 0), Shape(text.Append("stop"u8, 2, cut)));
        Assert.AreEqual(("", 1), Shape(text.End(2)));

        static (string, int) Shape((string Text, IReadOnlyList<TokenLogProbability> Thoughts) piece) => (piece.Text, piece.Thoughts.Count);
    }
}
