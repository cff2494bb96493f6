using System.Net;
using System.Text;
using System.Text.Json;
using MLNet.Gpt;
using MLNet.Gpt.Core.Tests;
using MLNet.Gpt.Trainers.Tests.Fuzzing;
using ServingApp.Models;

namespace ServingApp.Tests;

/// <summary>Damaged requests are answered, or refused in OpenAI's form of an error: never by a failure of the server. Request n of a path is the same in every run.</summary>
[TestClass]
[TestCategory("Fuzz")]
public sealed class FuzzedRequestTests
{
    private const int Requests = 1_000, Seed = 17;

    private const string Chat = """
        {"model": "tiny", "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "name": "ann", "content": [{"type": "text", "text": "go"}]}, {"role": "assistant", "content": null,
         "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{\"zone\": \"utc\"}"}}]}, {"role": "tool", "tool_call_id": "c1", "content": "noon"}, {"role": "user", "content": "and then?"}],
         "tools": [{"type": "function", "function": {"name": "now", "description": "the time", "parameters": {"type": "object", "properties": {"zone": {"enum": ["utc", "cet"]}}, "required": ["zone"]}, "strict": true}}], "tool_choice": "none",
         "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}, "b": {"type": "string", "pattern": "^[a-z]{1,3}$"}}, "required": ["a"], "additionalProperties": false}}},
         "temperature": 0.7, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "presence_penalty": 0.5, "frequency_penalty": -0.5, "repetition_penalty": 1.1, "logit_bias": {"5": -2, "6": 1.5}, "logprobs": true, "top_logprobs": 2, "n": 2, "seed": 3,
         "stop": ["x", "yz"], "max_tokens": 6, "parallel_tool_calls": false, "user": "me", "stream": false}
        """;

    [TestMethod]
    [DataRow("/v1/chat/completions", Chat)]
    [DataRow("/v1/chat/completions", """{"messages": [{"role": "user", "content": "go"}], "max_completion_tokens": 4, "stream": true, "stream_options": {"include_usage": true}}""")]
    [DataRow("/v1/completions", """{"model": "tiny", "prompt": ["once", "upon"], "max_tokens": 4, "temperature": 0, "logprobs": 2, "echo": false, "stop": "a", "best_of": 1, "n": 1, "suffix": null}""")]
    [DataRow("/v1/embeddings", """{"model": "tiny", "input": ["a text", "another"], "encoding_format": "base64"}""")]
    [DataRow("/v1/score", """{"model": "tiny", "input": ["a text", "another"]}""")]
    [DataRow("/v1/classify", """{"model": "tiny", "input": [["a pair", "of texts"], ["a", "b"]]}""")]
    [DataRow("/v1/reward", """{"model": "tiny", "prompt": "go", "responses": ["one", "two"]}""")]
    public async Task A_thousand_damaged_requests_are_answered_or_refused(string path, string json)
    {
        using var folder = new TemporaryFolder();
        OnnxExporter.WriteClassifier(new SmallWeights.Classifier(new ClassifierHead { Task = SupervisedTask.TextEntailment, Labels = ["no", "yes"] }), folder["classes"]);
        OnnxExporter.WriteReward(new SmallWeights.Reward(new RewardHead()), folder["judge"]);
        foreach (string package in (string[])["classes", "judge"]) ScriptedModel.Letters.Save(folder[package]);
        using var classifier = GptClassifier.FromOnnx(folder["classes"], GptDevice.Cpu);
        using var reward = GptRewardModel.FromOnnx(folder["judge"], GptDevice.Cpu);
        using TestServing server = new(options => [new ServedModel("tiny", options.Sharing, new ScriptedModel(static _ => "{\"a\":1}").ToModel(), classifier: classifier, reward: reward)]);
        HttpClient client = await server.ReadyAsync();
        byte[] valid = Encoding.UTF8.GetBytes(json);
        int refused = 0;
        for (int n = 0; n < Requests; n++)
        {
            byte[] body = Mutations.Json(valid, new Random(Seed + (31 * n)));
            string name = $"{path}, request {n}: {Encoding.Latin1.GetString(body)}";
            using var content = new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } };
            using HttpResponseMessage response = await client.PostAsync(path, content);
            string answer = await response.Content.ReadAsStringAsync();
            if (response.StatusCode == HttpStatusCode.OK) continue;
            refused++;
            Assert.IsInRange(400, 499, (int)response.StatusCode, name);
            JsonElement error = JsonDocument.Parse(answer).RootElement.GetProperty("error");
            Assert.AreEqual("invalid_request_error", error.GetProperty("type").GetString(), name);
            Assert.IsFalse(string.IsNullOrWhiteSpace(error.GetProperty("message").GetString()), name);
        }

        // The damage is real, and the server is as it was.
        Assert.IsGreaterThan(Requests / 20, refused);
        Assert.AreEqual(0, server.Waiting);
        using HttpResponseMessage whole = await client.PostAsync("/v1/chat/completions", TestServing.Chat("go"));
        Assert.AreEqual(HttpStatusCode.OK, whole.StatusCode);
    }
}
