using System.Net;
using System.Text.Json;
using Microsoft.ML;
using MLNet.Gpt;
using MLNet.Gpt.Core.Tests;
using ServingApp.Models;
using static ServingApp.Tests.TestServing;

namespace ServingApp.Tests;

/// <summary>What the program opens, and what it makes of it.</summary>
[TestClass]
public sealed class ServedModelTests
{
    private static readonly OnnxExportOptions Tokens = new() { TokenizerHash = ScriptedModel.Letters.Hash, EndOfTextId = ScriptedModel.Letters.EndOfTextId };

    [TestMethod]
    public async Task A_model_zip_is_served_with_the_settings_of_its_pipeline()
    {
        using var folder = new TemporaryFolder();
        DemoModel.Write(folder["package"]);
        var ml = new MLContext();
        using (GptModel model = GptModel.FromOnnx(folder["package"]))
        {
            IDataView rows = ml.Data.LoadFromEnumerable(new[] { new { Text = "I am" } });
            var pipeline = ml.Transforms.CopyColumns("Prompt", "Text").Append(ml.Gpt().Transforms.GenerateText("Answer", "Prompt", model, new() { Temperature = 0, StopStrings = [" tiny"] }));
            ml.Model.Save(pipeline.Fit(rows), rows.Schema, folder["words.zip"]);
        }

        using var server = new TestServing(null, ("Model", folder["words.zip"]));
        HttpClient client = await server.ReadyAsync();
        JsonElement json = await JsonAsync(await client.PostAsync("/v1/completions", Body("""{"model":"words","prompt":"I am a"}""")));

        // Greedy, of "a" by way of one of its followers to " tiny", or to the end: in the text, " a" is followed by " tiny", " file", " small", " model".
        Assert.AreEqual("stop", json.GetProperty("choices")[0].GetProperty("finish_reason").GetString(), json.GetRawText());
        Assert.DoesNotContain("tiny", json.GetProperty("choices")[0].GetProperty("text").GetString()!);
        JsonElement own = await JsonAsync(await client.PostAsync("/v1/completions", Body("""{"model":"words","prompt":"I am a","stop":"zzz"}""")));
        Assert.AreEqual(json.GetProperty("choices")[0].GetRawText(), own.GetProperty("choices")[0].GetRawText(), "a request's stop strings come beside the pipeline's");
    }

    [TestMethod]
    public async Task Guessed_tokens_of_a_pipeline_are_left_out_and_beams_are_refused()
    {
        using var server = new TestServing(static options => [new ServedModel("tiny", options.Sharing, new ScriptedModel(static _ => "abc").ToModel(), new() { PromptLookupTokens = 4 })]);
        HttpClient client = await server.ReadyAsync();
        JsonElement json = await JsonAsync(await client.PostAsync("/v1/completions", Body("""{"prompt":"abc"}""")));
        Assert.AreEqual("abc", json.GetProperty("choices")[0].GetProperty("text").GetString());
        Assert.AreEqual("BeamCount", Assert.ThrowsExactly<UnsupportedOptionException>(() => new ServedModel("tiny", new(), new ScriptedModel(static _ => "abc").ToModel(), new() { Temperature = 0, BeamCount = 2 })).Option);
    }

    // The model wants to end behind "ab".
    [TestMethod]
    [DataRow("\"max_tokens\":2,", 2, "length")]
    [DataRow("\"max_tokens\":4,", 4, "length")]
    [DataRow("\"max_tokens\":9,", 5, "stop")]
    [DataRow("", 3, "length", DisplayName = "the server's own most")]
    public async Task A_request_for_fewer_tokens_than_the_models_least_is_meant(string asked, int tokens, string reason)
    {
        using var server = new TestServing(static options => [new ServedModel("tiny", options.Sharing, new ScriptedModel(static _ => "ab").ToModel(), new() { MinNewTokens = 5, MaxNewTokens = 9 })], ("DefaultNewTokens", "3"));
        HttpClient client = await server.ReadyAsync();
        foreach (string address in (string[])["/v1/completions", "/v1/chat/completions"])
        {
            string prompt = address == "/v1/completions" ? "\"prompt\":\"go\"" : "\"messages\":[{\"role\":\"user\",\"content\":\"go\"}]";
            using HttpResponseMessage response = await client.PostAsync(address, Body($$"""{{{asked}}{{prompt}}}"""));
            JsonElement json = await JsonAsync(response);
            Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, json.GetRawText());
            Assert.AreEqual((tokens, reason), (json.GetProperty("usage").GetProperty("completion_tokens").GetInt32(), json.GetProperty("choices")[0].GetProperty("finish_reason").GetString()), json.GetRawText());
        }
    }

    [TestMethod]
    public async Task A_classifier_s_folder_is_served()
    {
        using var folder = new TemporaryFolder();
        OnnxExporter.WriteClassifier(new SmallWeights.Classifier(new ClassifierHead { Task = SupervisedTask.TextClassification, Labels = ["red", "green", "blue"] }), folder["colours"], Tokens);
        ScriptedModel.Letters.Save(folder["colours"]);
        using var server = new TestServing(null, ("Model", folder["colours"]));
        HttpClient client = await server.ReadyAsync();
        JsonElement json = await JsonAsync(await client.PostAsync("/v1/classify", Body("""{"model":"colours","input":["abc","xyz"]}""")));
        using GptClassifier direct = GptClassifier.FromOnnx(folder["colours"]);
        foreach ((JsonElement item, string text) in json.GetProperty("data").EnumerateArray().Zip(["abc", "xyz"]))
        {
            TextPrediction expected = direct.Classify(text);
            Assert.AreEqual(direct.Head.Labels[expected.Index], item.GetProperty("label").GetString());
            float[] scores = [.. item.GetProperty("scores").EnumerateArray().Select(static score => score.GetSingle())];
            Assert.AreEqual(1, scores.Sum(), 1e-5);
            for (int i = 0; i < 3; i++) Assert.AreEqual(expected.Scores[i], scores[i], 1e-5f);
        }

        Assert.AreEqual(HttpStatusCode.BadRequest, (await client.PostAsync("/v1/classify", Body(JsonSerializer.Serialize(new { input = Enumerable.Repeat("a", (32 * 8) + 1) })))).StatusCode); // MaxChoices is 8
        using HttpResponseMessage chat = await client.PostAsync("/v1/chat/completions", Body("""{"messages":[{"role":"user","content":"x"}]}"""));
        Assert.AreEqual((HttpStatusCode.BadRequest, "model_not_supported"), (chat.StatusCode, (await JsonAsync(chat)).GetProperty("error").GetProperty("code").GetString()));
        Assert.AreEqual(HttpStatusCode.BadRequest, (await client.PostAsync("/v1/classify", Body("""{"input":[["a","b"]]}"""))).StatusCode); // the task reads one text
    }

    [TestMethod]
    public async Task A_reward_model_s_folder_is_served()
    {
        using var folder = new TemporaryFolder();
        OnnxExporter.WriteReward(new SmallWeights.Reward(new RewardHead()), folder["judge"], Tokens);
        ScriptedModel.Letters.Save(folder["judge"]);
        using var server = new TestServing(null, ("Model", folder["judge"]));
        HttpClient client = await server.ReadyAsync();
        JsonElement json = await JsonAsync(await client.PostAsync("/v1/reward", Body("""{"prompt":"ab","responses":["c","dd"]}""")));
        using GptRewardModel direct = GptRewardModel.FromOnnx(folder["judge"]);
        float[] expected = [direct.Score("ab", "c").Reward, direct.Score("ab", "dd").Reward];
        float[] rewards = [.. json.GetProperty("data").EnumerateArray().Select(static item => item.GetProperty("reward").GetSingle())];
        for (int i = 0; i < 2; i++) Assert.AreEqual(expected[i], rewards[i], 1e-5f);
    }

    [TestMethod]
    public async Task Scores_are_the_models_own()
    {
        using var server = new TestServing(null, ("Demo", "true"));
        HttpClient client = await server.ReadyAsync();
        JsonElement json = await JsonAsync(await client.PostAsync("/v1/score", Body("""{"input":["I am a tiny model","",  "model tiny a am I"]}""")));
        JsonElement[] items = [.. json.GetProperty("data").EnumerateArray()];
        Assert.IsGreaterThan(items[2].GetProperty("log_likelihood").GetDouble() + 10, items[0].GetProperty("log_likelihood").GetDouble());
        Assert.AreEqual((0d, JsonValueKind.Null, 0), (items[1].GetProperty("log_likelihood").GetDouble(), items[1].GetProperty("perplexity").ValueKind, items[1].GetProperty("tokens").GetInt32()));
        double likelihood = items[0].GetProperty("log_likelihood").GetDouble();
        Assert.AreEqual(Math.Exp(-likelihood / items[0].GetProperty("tokens").GetInt32()), items[0].GetProperty("perplexity").GetDouble(), 1e-9);
    }

    [TestMethod]
    public void What_is_no_model_is_a_typed_error()
    {
        using var folder = new TemporaryFolder();
        Assert.ThrowsExactly<CheckpointNotFoundException>(() => ModelFiles.Open(new() { Model = folder["nothing"] }));
        Directory.CreateDirectory(folder["empty"]);
        Assert.ThrowsExactly<CheckpointNotFoundException>(() => ModelFiles.Open(new() { Model = folder["empty"] }));
        foreach (string text in (string[])["", "no zip", "PK\x3\x4"])
        {
            File.WriteAllText(folder["bad.zip"], text);
            Assert.AreEqual(folder["bad.zip"], Assert.ThrowsExactly<CorruptFileException>(() => ModelFiles.Open(new() { Model = folder["bad.zip"] })).Path);
        }

        var ml = new MLContext();
        IDataView rows = ml.Data.LoadFromEnumerable(new[] { new { Text = "a" } });
        ml.Model.Save(ml.Transforms.CopyColumns("B", "Text").Fit(rows), rows.Schema, folder["other.zip"]);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => ModelFiles.Open(new() { Model = folder["other.zip"] })).Message, "GenerateText");
    }

    [TestMethod]
    public async Task Texts_to_embed_may_be_given_as_their_tokens()
    {
        using var server = new TestServing(null, ("Demo", "true"));
        HttpClient client = await server.ReadyAsync();
        GptTokenizer tokenizer = server.Models.All[0].Gpt!.Tokenizer;
        string[] texts = ["I am a tiny model", "words"];
        int[][] tokens = [.. texts.Select(text => tokenizer.Encode(text))];
        (float[][] expected, int count) = await EmbedAsync(texts);
        Assert.AreEqual(tokens.Sum(static one => one.Length), count);
        foreach (object input in (object[])[tokens, new object[] { tokens[0], texts[1] }])
        {
            (float[][] found, count) = await EmbedAsync(input);
            Assert.AreEqual(tokens.Sum(static one => one.Length), count);
            for (int i = 0; i < 2; i++) AreClose(expected[i], found[i]);
        }

        AreClose(expected[0], (await EmbedAsync(tokens[0])).Vectors.Single());
        foreach ((string input, string says) in ((string, string)[])
        [
            ($"[1,{tokenizer.VocabularySize}]", $"'input' is {tokenizer.VocabularySize}; it must be a text, a list of token ids from 0 to {tokenizer.VocabularySize - 1}, or a list of either."),
            ("[[1],[-1]]", "'input' is -1; it must be a text, a list of token ids"), ("[[1.5]]", "'input' is 1.5; it must be"), ("[[\"a\"]]", "'input' is \"a\"; it must be"), ("[]", "'input' has 0 texts; it must have 1 to"),
            ("true", "'input' is true; it must be"), ("null", "'input' is missing; give a text, a list of token ids, or a list of either."),
        ])
        {
            using HttpResponseMessage response = await client.PostAsync("/v1/embeddings", Body($$"""{"input":{{input}}}"""));
            Assert.AreEqual(HttpStatusCode.BadRequest, response.StatusCode, input);
            JsonElement error = (await JsonAsync(response)).GetProperty("error");
            Assert.AreEqual("input", error.GetProperty("param").GetString(), input);
            StringAssert.Contains(error.GetProperty("message").GetString(), says);
        }

        async Task<(float[][] Vectors, int Tokens)> EmbedAsync(object input)
        {
            JsonElement json = await JsonAsync(await client.PostAsync("/v1/embeddings", Body(JsonSerializer.Serialize(new { input }))));
            return ([.. json.GetProperty("data").EnumerateArray().Select(static one => one.GetProperty("embedding").Deserialize<float[]>()!)], json.GetProperty("usage").GetProperty("prompt_tokens").GetInt32());
        }

        static void AreClose(float[] expected, float[] found)
        {
            Assert.HasCount(expected.Length, found);
            for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], found[i], 1e-5f); // batches differ in their last bits
        }
    }
}
