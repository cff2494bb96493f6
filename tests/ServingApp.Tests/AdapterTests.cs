using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
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

    [TestMethod]
    [DataRow(false)] // the adapter by itself, merged into the checkpoint
    [DataRow(true)]  // a package that has it merged
    public async Task A_request_for_an_adapter_is_answered_with_it(bool package)
    {
        using var folder = new TemporaryFolder();
        string checkpoint = WriteBase(folder["small"]);
        var loud = new Adapted(seed: 3);
        if (package) WritePackage(loud, folder["loud"]);
        else WriteAdapter(folder["loud"], loud);
        using var server = new TestServing(null, ("Model", checkpoint), ("Adapters:loud", folder["loud"]));
        HttpClient client = await server.ReadyAsync();
        JsonElement models = await JsonAsync(await client.GetAsync("/v1/models"));
        CollectionAssert.AreEqual(new[] { "small", "small@loud" }, models.GetProperty("data").EnumerateArray().Select(static model => model.GetProperty("id").GetString()).ToArray());
        Assert.AreEqual("small@loud", (await JsonAsync(await client.GetAsync("/v1/models/small@loud"))).GetProperty("id").GetString());

        // What each says, and what its weights give when they are written down by the test.
        string plainText = Expected(Base, folder["plain-package"]), loudText = Expected(loud, folder["loud-package"]);
        Assert.AreNotEqual(plainText, loudText, "the adapter must matter, or the test shows nothing");
        foreach ((string? name, string expected) in ((string?, string)[])[(null, plainText), ("small", plainText), ("small@loud", loudText)])
        {
            JsonElement json = await JsonAsync(await client.PostAsync("/v1/completions", Body(JsonSerializer.Serialize(new { model = name, prompt = "abc", max_tokens = 10, temperature = 0 }))));
            Assert.AreEqual((name ?? "small", expected), (json.GetProperty("model").GetString(), json.GetProperty("choices")[0].GetProperty("text").GetString()));
        }

        foreach (string path in (string[])["/v1/chat/completions", "/v1/completions", "/v1/embeddings"])
        {
            using HttpResponseMessage unknown = await client.PostAsync(path, Body("""{"model":"small@quiet","messages":[{"role":"user","content":"x"}],"prompt":"x","input":"x"}"""));
            JsonElement error = (await JsonAsync(unknown)).GetProperty("error");
            Assert.AreEqual((HttpStatusCode.NotFound, "model_not_found", "model", "invalid_request_error"), (unknown.StatusCode, error.GetProperty("code").GetString(), error.GetProperty("param").GetString(), error.GetProperty("type").GetString()));
            StringAssert.Contains(error.GetProperty("message").GetString(), "'small@loud'");
        }
    }

    [TestMethod]
    public void What_can_not_be_served_is_told_when_the_program_starts()
    {
        using var folder = new TemporaryFolder();
        string checkpoint = WriteBase(folder["small"]);
        WriteAdapter(folder["loud"], new Adapted(seed: 3));
        WritePackage(Base, folder["package"]);
        StringAssert.Contains(Assert.ThrowsExactly<ServingConfigurationException>(() => ModelFiles.Open(new() { Model = folder["package"], Adapters = new Dictionary<string, string> { ["loud"] = folder["loud"] } })).Message, "ExportMerged");
        StringAssert.Contains(Assert.ThrowsExactly<ServingConfigurationException>(() => ModelFiles.Open(new() { Demo = true, Adapters = new Dictionary<string, string> { ["loud"] = folder["loud"] } })).Message, "demonstration");
        Assert.ThrowsExactly<CheckpointNotFoundException>(() => ModelFiles.Open(new() { Model = checkpoint, Adapters = new Dictionary<string, string> { ["none"] = folder["none"] } }));
        StringAssert.Contains(Assert.ThrowsExactly<ServingConfigurationException>(() => new ServingOptions { Demo = true, Adapters = new Dictionary<string, string> { ["a@b"] = "x" } }.Validate()).Message, "Adapters");
        var configuration = new ConfigurationManager();
        CommandLine.AddTo(configuration, ["--model", "m", "--adapter", "loud=some/folder", "--adapter=soft=C:\\a=b"]);
        Assert.AreEqual(("some/folder", "C:\\a=b"), (configuration["Serving:Adapters:loud"], configuration["Serving:Adapters:soft"]));
        Assert.ThrowsExactly<ArgumentException>(() => CommandLine.AddTo(new ConfigurationManager(), ["--adapter", "loud"]));
    }

    private static string Expected(IGptWeights weights, string folder)
    {
        WritePackage(weights, folder);
        using GptModel model = GptModel.FromOnnx(folder, GptDevice.Cpu);
        return model.Generate("abc", new() { Temperature = 0, MaxNewTokens = 10, SkipSpecialTokens = true });
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
