using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Microsoft.ML;
using MLNet.Gpt;
using MLNet.Gpt.Core.Tests;
using ServingApp.Hosting;
using ServingApp.Models;
using static ServingApp.Tests.TestServing;

namespace ServingApp.Tests;

/// <summary>LoRA adapters under names of their own.</summary>
[TestClass]
public sealed class AdapterTests
{
    private const int Rank = 2;
    private static readonly SmallWeights Base = new();
    private static readonly GptConfig Config = Base.Config;
    private static readonly Adapted Loud = new(seed: 3), Soft = new(seed: 8);

    public enum Place
    {
        /// <summary>A checkpoint folder, and the adapter's folder beside it.</summary>
        BesideCheckpoint,

        /// <summary>A package with room, and the adapter's folder beside it.</summary>
        BesidePackage,

        /// <summary>In the package.</summary>
        InPackage,

        /// <summary>In a model.zip.</summary>
        InZip,

        /// <summary>A package that has it merged.</summary>
        Merged,
    }

    [TestMethod]
    [DataRow(Place.BesideCheckpoint)]
    [DataRow(Place.BesidePackage)]
    [DataRow(Place.InPackage)]
    [DataRow(Place.InZip)]
    [DataRow(Place.Merged)]
    public async Task A_request_for_an_adapter_is_answered_with_it(Place place)
    {
        // 1. The model and one adapter, wherever it lies.
        using var folder = new TemporaryFolder();
        string checkpoint = WriteBase(folder["small"]);
        WriteAdapter(folder["loud"], Loud);
        (string, string)[] settings = [("Adapters:loud", folder["loud"]), ("ModelName", "small")];
        string model = checkpoint;
        if (place is Place.InPackage or Place.InZip)
        {
            OnnxExporter.ExportWithAdapters(checkpoint, new Dictionary<string, string> { ["loud"] = folder["loud"] }, model = folder["package"]);
            settings = settings[1..];
        }

        if (place == Place.BesidePackage) OnnxExporter.Export(checkpoint, model = folder["package"], new() { AdaptableProjections = LoraProjections.FeedForward });
        if (place == Place.InZip) SaveZip(folder["package"], model = folder["model.zip"]);
        if (place == Place.Merged) WritePackage(Loud, folder["merged"]);
        using var server = new TestServing(null, [("Model", model), .. place == Place.Merged ? [("Adapters:loud", folder["merged"]), settings[1]] : settings]);
        HttpClient client = await server.ReadyAsync();
        JsonElement models = await JsonAsync(await client.GetAsync("/v1/models"));
        CollectionAssert.AreEqual(new[] { "small", "small@loud" }, models.GetProperty("data").EnumerateArray().Select(static model => model.GetProperty("id").GetString()).ToArray());
        Assert.AreEqual("small@loud", (await JsonAsync(await client.GetAsync("/v1/models/small@loud"))).GetProperty("id").GetString());
        Assert.AreEqual(place == Place.Merged, server.Models.All[0].Gpt != server.Models.All[1].Gpt, "the weights");
        Assert.HasCount(place == Place.Merged ? 2 : 1, server.Models.Queues.ToArray(), "the running batches");

        // 2. What each says, and what its weights give when they are written down by the test.
        using GptModel plain = Open(Base, folder["plain-package"]), loud = Open(Loud, folder["loud-package"]);
        Assert.AreNotEqual(Continue(plain, "abc"), Continue(loud, "abc"), "the adapter must matter, or the test shows nothing");
        foreach ((string? name, GptModel alone) in ((string?, GptModel)[])[(null, plain), ("small", plain), ("small@loud", loud)])
        {
            JsonElement json = await JsonAsync(await client.PostAsync("/v1/completions", Body(JsonSerializer.Serialize(new { model = name, prompt = "abc", max_tokens = 10, temperature = 0 }))));
            Assert.AreEqual((name ?? "small", Continue(alone, "abc")), (json.GetProperty("model").GetString(), json.GetProperty("choices")[0].GetProperty("text").GetString()));
            JsonElement score = (await JsonAsync(await client.PostAsync("/v1/score", Body(JsonSerializer.Serialize(new { model = name, input = "abcdef" }))))).GetProperty("data")[0];
            Assert.AreEqual(alone.Score("abcdef").LogLikelihood, score.GetProperty("log_likelihood").GetDouble(), 1e-4, name);
            JsonElement vectors = (await JsonAsync(await client.PostAsync("/v1/embeddings", Body(JsonSerializer.Serialize(new { model = name, input = new[] { "abcdef", "xy" } }))))).GetProperty("data");
            foreach ((SequenceEmbedding expected, JsonElement found) in alone.Embed(["abcdef", "xy"]).Zip(vectors.EnumerateArray()))
                Assert.IsLessThan(1e-5, found.GetProperty("embedding").EnumerateArray().Zip(expected.Vector, static (value, other) => Math.Abs(value.GetSingle() - other)).Max(), name);
        }

        Assert.AreNotEqual(plain.Score("abcdef").LogLikelihood, loud.Score("abcdef").LogLikelihood, 1e-2);
        Assert.IsGreaterThan(1e-2, plain.Embed(["abcdef"])[0].Vector.Zip(loud.Embed(["abcdef"])[0].Vector, static (x, y) => Math.Abs(x - y)).Max());

        // 3. Another name is told which there are.
        foreach (string path in (string[])["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/score"])
        {
            using HttpResponseMessage unknown = await client.PostAsync(path, Body("""{"model":"small@quiet","messages":[{"role":"user","content":"x"}],"prompt":"x","input":"x"}"""));
            JsonElement error = (await JsonAsync(unknown)).GetProperty("error");
            Assert.AreEqual((HttpStatusCode.NotFound, "model_not_found", "model", "invalid_request_error"), (unknown.StatusCode, error.GetProperty("code").GetString(), error.GetProperty("param").GetString(), error.GetProperty("type").GetString()));
            Assert.AreEqual("The model 'small' has no adapter 'quiet'; it has 'small@loud', and answers to 'small' without one.", error.GetProperty("message").GetString());
        }
    }

    // The engine waits before each pass, so that who comes first can't have ended before the others are there.
    [TestMethod]
    public async Task Requests_for_different_adapters_share_one_batch_and_each_gets_what_it_would_get_alone()
    {
        using var folder = new TemporaryFolder();
        string checkpoint = WriteBase(folder["small"]);
        WriteAdapter(folder["loud"], Loud);
        WriteAdapter(folder["soft"], Soft);
        OnnxExporter.ExportWithAdapters(checkpoint, new Dictionary<string, string> { ["loud"] = folder["loud"], ["soft"] = folder["soft"] }, folder["package"]);
        using GptModel opened = GptModel.FromOnnx(folder["package"], GptDevice.Cpu);
        using GptModel plain = Open(Base, folder["plain-package"]), loud = Open(Loud, folder["loud-package"]), soft = Open(Soft, folder["soft-package"]);
        var engine = new GatedModel((IAdaptableModel)opened.Engine);
        using var server = new TestServing(options =>
        {
            var model = new ServedModel("small", options.Sharing, new GptModel(engine, ScriptedModel.Letters, ScriptedModel.Template));
            return [model, model.WithAdapter("loud"), model.WithAdapter("soft")];
        });
        HttpClient client = await server.ReadyAsync();
        (string Name, GptModel Alone, string Prompt, bool Stream)[] requests = [("small", plain, "abc", false), ("small@loud", loud, "abc", true), ("small@soft", soft, "abc", false), ("small@loud", loud, "xyz", false), ("small", plain, "q", true)];
        Assert.HasCount(3, requests[..3].Select(static request => Continue(request.Alone, "abc")).ToHashSet(), "the adapters must matter, or the test shows nothing");

        // 1. The first is at its prompt when the others come.
        var answers = new List<Task<HttpResponseMessage>> { AskAsync(0) };
        await UntilAsync(() => engine.Waits);
        for (int i = 1; i < requests.Length; i++) answers.Add(AskAsync(i));
        await UntilAsync(() => server.Waiting == requests.Length - 1);

        // 2. They are computed together, each with its adapter.
        engine.Steps.Release(1_000);
        for (int i = 0; i < requests.Length; i++)
        {
            string body = await (await answers[i]).Content.ReadAsStringAsync();
            string text = requests[i].Stream ? string.Concat(Events(body)[..^1].Select(static data => JsonDocument.Parse(data).RootElement.GetProperty("choices")[0].GetProperty("text").GetString()))
                : JsonDocument.Parse(body).RootElement.GetProperty("choices")[0].GetProperty("text").GetString()!;
            Assert.AreEqual(Continue(requests[i].Alone, requests[i].Prompt), text, $"{requests[i].Name}, as its weights alone");
            string? adapter = requests[i].Name.Split('@').ElementAtOrDefault(1);
            Assert.AreEqual(Continue(opened, requests[i].Prompt, adapter), text, $"{requests[i].Name}, as {nameof(GptModel)} alone");
        }

        Assert.IsTrue(engine.Passes.Any(static rows => rows.ToHashSet().SetEquals([null, "loud", "soft"])), string.Join(" | ", engine.Passes.Select(static rows => string.Join(",", rows.Select(static name => name ?? "-")))));

        // 3. A conversation, too.
        foreach ((string name, GptModel alone) in ((string, GptModel)[])[("small", plain), ("small@soft", soft)])
        {
            JsonElement json = await JsonAsync(await client.PostAsync("/v1/chat/completions", Body(JsonSerializer.Serialize(new { model = name, messages = new[] { new { role = "user", content = "hi" } }, max_tokens = 6, temperature = 0 }))));
            Assert.AreEqual(alone.Chat([ConversationTurn.User("hi")], new() { Temperature = 0, MaxNewTokens = 6, SkipSpecialTokens = true }).Text, json.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        }

        Task<HttpResponseMessage> AskAsync(int i) => client.PostAsync("/v1/completions", Body(JsonSerializer.Serialize(new { model = requests[i].Name, prompt = requests[i].Prompt, max_tokens = 10, temperature = 0, stream = requests[i].Stream })));
    }

    [TestMethod]
    public void What_can_not_be_served_is_told_when_the_program_starts()
    {
        using var folder = new TemporaryFolder();
        string checkpoint = WriteBase(folder["small"]);
        WriteAdapter(folder["loud"], Loud);
        WritePackage(Base, folder["package"]);
        OnnxExporter.ExportWithAdapters(checkpoint, new Dictionary<string, string> { ["loud"] = folder["loud"] }, folder["with"]);
        StringAssert.Contains(Refused(folder["package"], "loud", folder["loud"]), "ExportMerged");
        StringAssert.Contains(Assert.ThrowsExactly<ServingConfigurationException>(() => ModelFiles.Open(new() { Demo = true, Adapters = new Dictionary<string, string> { ["loud"] = folder["loud"] } })).Message, "demonstration");
        Assert.ThrowsExactly<OperationCanceledException>(() => ModelFiles.Open(new() { Model = checkpoint }, new CancellationToken(canceled: true)));
        Assert.ThrowsExactly<CheckpointNotFoundException>(() => ModelFiles.Open(new() { Model = checkpoint, Adapters = new Dictionary<string, string> { ["none"] = folder["none"] } }));
        foreach (string model in (string[])[checkpoint, folder["with"]]) StringAssert.Contains(Refused(model, "v1.5", folder["loud"]), "'v1.5' is no adapter's name");
        StringAssert.Contains(Refused(folder["with"], "loud", folder["loud"]), "There is an adapter 'loud' already");
        StringAssert.Contains(Refused(folder["with"], "Loud", folder["package"]), "has an adapter of that name");
        StringAssert.Contains(Assert.ThrowsExactly<ServingConfigurationException>(() => new ServingOptions { Demo = true, Adapters = new Dictionary<string, string> { ["a@b"] = "x" } }.Validate()).Message, "Adapters");
        var configuration = new ConfigurationManager();
        CommandLine.AddTo(configuration, ["--model", "m", "--adapter", "loud=some/folder", "--adapter=soft=C:\\a=b"]);
        Assert.AreEqual(("some/folder", "C:\\a=b"), (configuration["Serving:Adapters:loud"], configuration["Serving:Adapters:soft"]));
        Assert.ThrowsExactly<ArgumentException>(() => CommandLine.AddTo(new ConfigurationManager(), ["--adapter", "loud"]));

        static string Refused(string model, string name, string adapter) =>
            Assert.ThrowsExactly<ServingConfigurationException>(() => ModelFiles.Open(new() { Model = model, Adapters = new Dictionary<string, string> { [name] = adapter } })).Message;
    }

    private static GptModel Open(IGptWeights weights, string folder)
    {
        WritePackage(weights, folder);
        return GptModel.FromOnnx(folder, GptDevice.Cpu);
    }

    private static string Continue(GptModel model, string prompt, string? adapter = null) =>
        model.Generate(prompt, new() { Temperature = 0, MaxNewTokens = 10, SkipSpecialTokens = true, Adapter = adapter });

    private static void SaveZip(string package, string path)
    {
        var ml = new MLContext();
        using GptModel model = GptModel.FromOnnx(package, GptDevice.Cpu);
        IDataView rows = ml.Data.LoadFromEnumerable(new[] { new { Prompt = "abc" } });
        ml.Model.Save(ml.Gpt().Transforms.GenerateText("Answer", "Prompt", model, new()).Fit(rows), rows.Schema, path);
    }

    private static string WriteBase(string folder)
    {
        GptCheckpoint.Write(folder, Base, ScriptedModel.Letters, chatTemplate: ScriptedModel.Template);
        return folder;
    }

    private static void WritePackage(IGptWeights weights, string folder)
    {
        OnnxExporter.Write(weights, folder, new OnnxExportOptions { TokenizerHash = ScriptedModel.Letters.Hash, EndOfTextId = ScriptedModel.Letters.EndOfTextId });
        ScriptedModel.Letters.Save(folder);
        ScriptedModel.Template.Save(folder);
    }

    // PEFT's two files, byte by byte: the length of the header, the header, the numbers.
    private static void WriteAdapter(string folder, Adapted adapted)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), $$"""{"peft_type":"LORA","task_type":"CAUSAL_LM","r":{{Rank}},"lora_alpha":4,"lora_dropout":0.0,"target_modules":["c_fc"],"fan_in_fan_out":true,"bias":"none"}""");
        using var numbers = new MemoryStream();
        var header = new Dictionary<string, object>();
        for (int layer = 0; layer < Config.LayerCount; layer++)
        {
            foreach ((string name, float[] values, int[] shape) in ((string, float[], int[])[])[("lora_A", adapted.A(layer), [Rank, Config.EmbeddingSize]), ("lora_B", adapted.B(layer), [Config.InnerSize, Rank])])
            {
                long begin = numbers.Length;
                numbers.Write(MemoryMarshal.AsBytes(values.AsSpan()));
                header[$"base_model.model.transformer.h.{layer}.mlp.c_fc.{name}.weight"] = new { dtype = "F32", shape, data_offsets = (long[])[begin, numbers.Length] };
            }
        }

        byte[] json = Encoding.UTF8.GetBytes(JsonSerializer.Serialize(header));
        File.WriteAllBytes(Path.Combine(folder, "adapter_model.safetensors"), [.. BitConverter.GetBytes((long)json.Length), .. json, .. numbers.ToArray()]);
    }

    /// <summary>The base with a term on each first map of the feed-forward layers: W[i, o] + 4/2 · Σ A[r, i]·B[o, r].</summary>
    private sealed class Adapted(int seed) : IGptWeights
    {
        public GptConfig Config => Base.Config;

        public float[] A(int layer) => Numbers(layer, Rank * Config.EmbeddingSize);

        public float[] B(int layer) => Numbers(100 + layer, Config.InnerSize * Rank);

        public void Read(string name, Span<float> destination)
        {
            Base.Read(name, destination);
            if (!name.EndsWith("mlp.c_fc.weight", StringComparison.Ordinal)) return;
            int layer = name[2] - '0', outer = Config.InnerSize;
            float[] a = A(layer), b = B(layer);
            for (int i = 0; i < Config.EmbeddingSize; i++)
            {
                for (int o = 0; o < outer; o++) destination[(i * outer) + o] += 2 * ((a[i] * b[o * 2]) + (a[Config.EmbeddingSize + i] * b[(o * 2) + 1]));
            }
        }

        private float[] Numbers(int part, int count)
        {
            var random = new Random((seed * 1_000) + part);
            return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
        }
    }
}
