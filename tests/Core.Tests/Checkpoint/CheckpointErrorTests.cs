using System.Text.Json.Nodes;

namespace MLNet.Gpt.Core.Tests.Checkpoint;

/// <summary>What is wrong with a checkpoint is said with the value that was found, the one that would be right, and the remedy.</summary>
[TestClass]
public sealed class CheckpointErrorTests
{
    private const string Again = "Fetch or write the checkpoint again.";
    private const string Types = "\"gpt2\", \"openai-gpt\" or \"mlnet-gpt\"";
    private const string Activations = "\"gelu_new\" or \"gelu_pytorch_tanh\" (GPT-1: \"gelu\")";
    private const string NameFolder = "Name a folder that GptCheckpoint.Write or transformers' save_pretrained wrote.";
    private const string Both = "The file doesn't belong to this config.json; fetch both from the same place.";

    [TestMethod]
    [DataRow("gpt2", "model_type", "\"llama\"", Types)]
    [DataRow("gpt2", "scale_attn_weights", "false", "true")]
    [DataRow("gpt2", "scale_attn_by_inverse_layer_idx", "true", "false")]
    [DataRow("gpt2", "add_cross_attention", "true", "false")]
    [DataRow("gpt2", "is_encoder_decoder", "true", "false")]
    [DataRow("gpt2", "tie_word_embeddings", "false", "true")]
    [DataRow("gpt2", "pruned_heads", """{"0":[1]}""", "none")]
    [DataRow("gpt2", "quantization_config", """{"bits":4}""", "none")]
    [DataRow("gpt2", "activation_function", "\"gelu\"", Activations)]
    [DataRow("gpt1", "afn", "\"relu\"", Activations)]
    [DataRow("gpt2", "block_form", "\"post_norm\"", "\"pre_norm\" for \"gpt2\"")]
    [DataRow("gpt2", "block_form", "\"sandwich\"", "\"pre_norm\" or \"post_norm\"")]
    [DataRow("gpt2", "attention_pattern", "\"sliding\"", "\"dense\" or \"alternating_dense_and_banded\"")]
    public void An_unsupported_setting_is_told_with_what_is_supported(string fixture, string setting, string found, string supported)
    {
        using var folder = new TemporaryFolder();
        WithConfig(folder["model"], fixture, json => json[setting] = JsonNode.Parse(found));
        var error = Assert.ThrowsExactly<UnsupportedModelException>(() => GptCheckpoint.Open(folder["model"]));
        Assert.AreEqual((setting, found, supported), (error.Setting, error.Found, error.Supported));
    }

    [TestMethod]
    [DataRow("n_embd", "null", "'n_embd' is missing; it must be a whole number.")]
    [DataRow("n_embd", "\"4\"", "'n_embd' is \"4\"; it must be a whole number of 32 bits.")]
    [DataRow("n_embd", "4.5", "'n_embd' is 4.5; it must be a whole number of 32 bits.")]
    [DataRow("attn_pdrop", "\"no\"", "'attn_pdrop' is \"no\"; it must be a number.")]
    [DataRow("layer_norm_epsilon", "1e99", "'layer_norm_epsilon' is 1e99; it must be a number.")]
    [DataRow("scale_attn_weights", "1", "'scale_attn_weights' is 1; it must be true or false.")]
    [DataRow("model_type", "7", "'model_type' is 7; it must be a string.")]
    [DataRow("model_type", "null", "'model_type' is missing; it must be " + Types + ".")]
    public void A_wrong_value_is_told_with_what_it_must_be(string setting, string value, string problem)
    {
        using var folder = new TemporaryFolder();
        WithConfig(folder["model"], "gpt2", json => json[setting] = JsonNode.Parse(value));
        Assert.AreEqual($"'{folder["model/config.json"]}' can't be read: {problem} {Again}", Assert.ThrowsExactly<CorruptFileException>(() => GptCheckpoint.Open(folder["model"])).Message);
    }

    [TestMethod]
    [DataRow("[]", "it holds a JSON Array where an object is expected.")]
    [DataRow("{", "it is no valid JSON (")]
    public void A_configuration_that_is_no_object_is_told(string json, string problem)
    {
        using var folder = new TemporaryFolder();
        CheckpointFixtures.Copy("gpt2", folder["model"]);
        File.WriteAllText(folder["model/config.json"], json);
        string message = Assert.ThrowsExactly<CorruptFileException>(() => GptCheckpoint.Open(folder["model"])).Message;
        StringAssert.StartsWith(message, $"'{folder["model/config.json"]}' can't be read: {problem}");
        StringAssert.EndsWith(message, $"). {Again}".Replace("). ", problem.EndsWith('(') ? "). " : " ", StringComparison.Ordinal));
    }

    [TestMethod]
    public void A_configuration_of_more_than_64_MiB_is_not_read()
    {
        using var folder = new TemporaryFolder();
        CheckpointFixtures.Copy("gpt2", folder["model"]);
        foreach ((long length, string problem) in ((long, string)[])[(64 << 20, "it is no valid JSON ("), ((64 << 20) + 1, "it has 67108865 bytes; at most 67108864 are read. " + Again)])
        {
            using (FileStream file = File.OpenWrite(folder["model/config.json"])) file.SetLength(length);
            StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => GptCheckpoint.Open(folder["model"])).Message, problem);
        }
    }

    [TestMethod]
    public void A_long_value_is_shortened_after_a_hundred_characters()
    {
        Assert.AreEqual(new string('x', 100), CheckpointJson.Shorten(new string('x', 100)));
        Assert.AreEqual(new string('x', 100) + "…", CheckpointJson.Shorten(new string('x', 101)));
    }

    [TestMethod]
    public void One_of_several_names_is_asked_for()
    {
        using CheckpointJson json = CheckpointJson.Parse("""{"form":"PostNorm","other":"Sandwich"}"""u8.ToArray(), "a.json");
        Assert.AreEqual(GptBlockForm.PostNorm, json.Required<GptBlockForm>("form"));
        Assert.AreEqual($"'a.json' can't be read: 'other' is \"Sandwich\"; it must be one of PreNorm, PostNorm. {Again}", Assert.ThrowsExactly<CorruptFileException>(() => json.Required<GptBlockForm>("other")).Message);
        Assert.AreEqual($"'a.json' can't be read: 'none' is missing; it must be one of PreNorm, PostNorm. {Again}", Assert.ThrowsExactly<CorruptFileException>(() => json.Required<GptBlockForm>("none")).Message);
    }

    [TestMethod]
    public void What_is_missing_is_told_with_what_to_do()
    {
        using var folder = new TemporaryFolder();
        Assert.AreEqual("folder", Assert.ThrowsExactly<ArgumentException>(() => GptCheckpoint.Open(" ")).ParamName);
        AreEqual($"'{folder["none"]}' can't be opened: there is no such folder. {NameFolder}", folder["none"]);
        AreEqual($"'{folder.Path}' can't be opened: it has no config.json. {NameFolder}", folder.Path);
        CheckpointFixtures.Copy("gpt2", folder["model"]);
        File.Delete(folder["model/model.safetensors"]);
        AreEqual($"'{folder["model"]}' can't be opened: it has neither model.safetensors nor model.safetensors.index.json. {NameFolder}", folder["model"]);
        File.WriteAllText(folder["model/pytorch_model.bin"], "");
        AreEqual(
            $"'{folder["model"]}' can't be opened: its weights are in pytorch_model.bin, a pickle, which can run code and isn't read. Save the model with transformers' save_pretrained(folder, safe_serialization=True).", folder["model"]);
        CheckpointFixtures.Copy("gpt2-sharded", folder["sharded"]);
        File.Delete(folder["sharded/model-00002-of-00002.safetensors"]);
        AreEqual($"'{folder["sharded"]}' can't be opened: model.safetensors.index.json names 'model-00002-of-00002.safetensors', which is missing. Fetch the missing file.", folder["sharded"]);

        static void AreEqual(string expected, string folder) => Assert.AreEqual(expected, Assert.ThrowsExactly<CheckpointNotFoundException>(() => GptCheckpoint.Open(folder)).Message);
    }

    [TestMethod]
    public void A_folder_of_another_kind_is_told_as_what_it_is()
    {
        using var folder = new TemporaryFolder();
        CheckpointFixtures.Copy("gpt2", folder["package"]);
        File.Move(folder["package/model.safetensors"], folder["package/model.onnx"]);
        Directory.CreateDirectory(folder["adapter"]);
        File.WriteAllText(folder["adapter/adapter_config.json"], "{}");
        Directory.CreateDirectory(folder["run/checkpoints/best"]);
        AreEqual($"'{folder["package"]}' can't be opened: it has neither model.safetensors nor model.safetensors.index.json. It is an ONNX package: open it with FromOnnx, or name the checkpoint that it was written from.", folder["package"]);
        AreEqual($"'{folder["adapter"]}' can't be opened: it has no config.json. It is a LoRA adapter: open its base, and attach it with WithAdapter.", folder["adapter"]);
        AreEqual($"'{folder["run"]}' can't be opened: it has no config.json. It is the folder of a run: name a checkpoint in it, such as checkpoints/best.", folder["run"]);
        AreEqual($"'{folder["package/config.json"]}' can't be opened: it is a file. {NameFolder}", folder["package/config.json"]);

        static void AreEqual(string expected, string folder) => Assert.AreEqual(expected, Assert.ThrowsExactly<CheckpointNotFoundException>(() => GptCheckpoint.Open(folder)).Message);
    }

    [TestMethod]
    public void An_index_is_told_what_is_wrong_with_it()
    {
        const string Tensor = "transformer.wte.weight", Plain = "the plain name of a .safetensors file in the same folder";
        using var folder = new TemporaryFolder();
        CheckpointFixtures.Copy("gpt2-sharded", folder["model"]);
        string path = folder["model/model.safetensors.index.json"], index = File.ReadAllText(path);
        File.Copy(folder["model/model-00001-of-00002.safetensors"], folder["outside.safetensors"]);
        File.Copy(folder["model/model-00001-of-00002.safetensors"], folder["model/a:b.safetensors"]);
        foreach (string name in (string[])["", "../outside.safetensors", "a:b.safetensors", "config.json", "model.safetensors\0"])
            AreEqual(json => json["weight_map"]![Tensor] = name, $"'{Tensor}' is {JsonValue.Create(name)!.ToJsonString()}; it must be {Plain}.");
        AreEqual(static json => json["weight_map"]![Tensor] = 7, $"'{Tensor}' is 7; it must be a file name.");
        AreEqual(static json => json["weight_map"] = 1, "'weight_map' is 1; it must be an object of tensor names and file names.");
        AreEqual(static json => json.AsObject().Remove("weight_map"), "'weight_map' is missing; it must be an object of tensor names and file names.");
        string right = (string)JsonNode.Parse(index)!["weight_map"]![Tensor]!, wrong = right.Replace("00001-of", "00003-of", StringComparison.Ordinal).Replace("00002-of", "00001-of", StringComparison.Ordinal).Replace("00003-of", "00002-of", StringComparison.Ordinal);
        AreEqual(json => json["weight_map"]![Tensor] = wrong, $"it says that '{wrong}' holds tensor '{Tensor}', which that file doesn't.");
        AreEqual(json => json["weight_map"]!.AsObject().Remove(Tensor), $"it doesn't place tensor '{Tensor}' in '{right}', which holds it.");

        void AreEqual(Action<JsonNode> edit, string problem)
        {
            JsonNode json = JsonNode.Parse(index)!;
            edit(json);
            File.WriteAllText(path, json.ToJsonString());
            Assert.AreEqual($"'{path}' can't be read: {problem} {Again}", Assert.ThrowsExactly<CorruptFileException>(() => GptCheckpoint.Open(folder["model"])).Message);
        }
    }

    [TestMethod]
    public void A_tensor_that_does_not_fit_is_told_with_both_shapes_and_the_remedy()
    {
        using var folder = new TemporaryFolder();
        string weights = folder["model/model.safetensors"];

        // 28 tensors: two embeddings, twelve for each of two layers, and two of the last LayerNorm.
        WithConfig(folder["model"], "gpt2", static json => json["n_layer"] = 29);
        AreEqual($"Tensor 'transformer.h' in '{weights}': expected the tensors of 29 layers, found 28 tensors in all. {Both}");
        Config(static json => json["n_layer"] = 28);
        AreEqual($"Tensor 'transformer.h.2.ln_1.weight' in '{weights}': expected [4], found nothing. The file doesn't belong to this config.json, or is another kind of model; fetch both from the same place.");
        Config(static json => (json["n_layer"], json["vocab_size"]) = (2, 12));
        AreEqual($"Tensor 'transformer.wte.weight' in '{weights}': expected [12, 4] F32, F16, BF16 or F64, found [11, 4] F32. {Both}");
        Config(static json => (json["n_layer"], json["vocab_size"]) = (1, 11));

        // Of several the first by name.
        AreEqual($"Tensor 'transformer.h.1.attn.c_attn.bias' in '{weights}': expected no tensor of that name, found [12] F32. It is part of another kind of model (a classifier, say), whose results would be wrong without it.");

        void Config(Action<JsonNode> edit)
        {
            JsonNode json = JsonNode.Parse(File.ReadAllText(folder["model/config.json"]))!;
            edit(json);
            File.WriteAllText(folder["model/config.json"], json.ToJsonString());
        }

        void AreEqual(string expected) => Assert.AreEqual(expected, Assert.ThrowsExactly<TensorMismatchException>(() => GptCheckpoint.Open(folder["model"])).Message);
    }

    [TestMethod]
    public void Reading_is_told_what_is_wrong_with_the_question()
    {
        using GptCheckpoint checkpoint = GptCheckpoint.Open(CheckpointFixtures.Folder("gpt2"));
        Assert.AreEqual("parameter", Assert.ThrowsExactly<ArgumentNullException>(() => checkpoint.Read(null!, new float[44])).ParamName);
        StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentException>(() => checkpoint.Read("transformer.wte.weight", new float[44])).Message, "A model of this configuration has no parameter 'transformer.wte.weight'.");
        StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentException>(() => checkpoint.Read("wte.weight", new float[43])).Message, "Parameter 'wte.weight' has 44 elements; the destination has 43.");
    }

    [TestMethod]
    public void A_head_of_another_shape_or_with_another_last_number_is_not_the_embedding()
    {
        // 70,000 tokens: the embedding has more than a MiB, the piece that is compared at once.
        GptConfig config = CheckpointFixtures.Gpt2 with { VocabularySize = 70_000, LayerCount = 1 };
        using var folder = new TemporaryFolder();
        var weights = new RandomWeights(config);
        GptCheckpoint.Write(folder["model"], weights);
        var embedding = new float[280_000];
        weights.Read(GptParameterLayout.TokenEmbedding, embedding);
        WithHead([70_000, 4], embedding);
        using (GptCheckpoint checkpoint = GptCheckpoint.Open(folder["model"])) CheckpointFixtures.AssertEqual(weights, checkpoint);
        WithHead([4, 70_000], embedding);
        Assert.ThrowsExactly<UnsupportedModelException>(() => GptCheckpoint.Open(folder["model"]));
        WithHead([70_000, 4], [.. embedding[..^1], 7]);
        var error = Assert.ThrowsExactly<UnsupportedModelException>(() => GptCheckpoint.Open(folder["model"]));
        Assert.AreEqual(("lm_head.weight", "[70000, 4] F32, different from 'transformer.wte.weight' ([70000, 4] F32)", "an output head that is the token embedding (tied)"), (error.Setting, error.Found, error.Supported));

        void WithHead(long[] shape, float[] head)
        {
            string path = folder["model/model.safetensors"];
            var layout = GptParameterLayout.Of(config).ToDictionary(static parameter => "transformer." + parameter.Name);
            SafeTensorsWriter.Write(path, [.. layout.Select(static pair => new SafeTensorInfo(pair.Key, SafeTensorType.Float32, pair.Value.Shape)), new("lm_head.weight", SafeTensorType.Float32, shape)], (tensor, stream) =>
            {
                var values = new float[tensor.ElementCount];
                if (tensor.Name == "lm_head.weight") values = head;
                else weights.Read(layout[tensor.Name].Name, values);
                stream.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()));
            });
        }
    }

    [TestMethod]
    public void What_can_not_be_written_is_told_before_anything_is()
    {
        using var folder = new TemporaryFolder();
        var weights = new RandomWeights(CheckpointFixtures.Gpt2);
        Assert.AreEqual("weights", Assert.ThrowsExactly<ArgumentNullException>(() => GptCheckpoint.Write(folder["model"], null!)).ParamName);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => GptCheckpoint.Write(folder["model"], weights, generation: new GenerationOptions { TopP = 2 }));
        Assert.AreEqual(
            "A chat template comes without a tokenizer, whose special tokens it needs. Pass the tokenizer too.",
            Assert.ThrowsExactly<ChatTemplateException>(() => GptCheckpoint.Write(folder["model"], weights, chatTemplate: ChatTemplate.Default)).Message);
        Assert.AreEqual(
            $"'{folder["model"]}' belongs to a model of 11 tokens, but is used with a tokenizer of 12. Use the tokenizer that the model was trained with, or train a model with this many tokens.",
            Assert.ThrowsExactly<TokenizerMismatchException>(() => GptCheckpoint.Write(folder["model"], weights, GptTokenizer.FromCharacters(["abcdefghijk"]))).Message);
        StringAssert.StartsWith(
            Assert.ThrowsExactly<ArgumentException>(() => GptCheckpoint.Write(folder["model"], new NoWeights(CheckpointFixtures.Gpt2 with { VocabularySize = 1 << 30 }))).Message,
            "A tensor of 4294967296 elements is larger than a span of .NET (2147483591).");
        Assert.AreEqual(2_147_483_591, GptCheckpoint.LengthFor(2_147_483_591));
        Assert.AreEqual("weights", Assert.ThrowsExactly<ArgumentException>(() => GptCheckpoint.LengthFor(2_147_483_592)).ParamName);
        Assert.IsEmpty(folder.Names);
    }

    [TestMethod]
    [DataRow("tokenizer.json")]
    [DataRow("vocab.json")]
    [DataRow("merges.txt")]
    [DataRow("tokenizer_config.json")]
    [DataRow("special_tokens_map.json")]
    [DataRow("added_tokens.json")]
    [DataRow("chat_template.jinja")]
    [DataRow("training_state")]
    [DataRow("model.safetensors.index.json")]
    [DataRow("model-00001-of-00012.safetensors")]
    [DataRow("model-1-of-2.safetensors", false)]
    [DataRow("pytorch_model.bin", false)]
    public void A_file_of_a_checkpoint_is_no_hindrance_to_a_new_one(string name, bool belongs = true)
    {
        using var folder = new TemporaryFolder();
        CheckpointFixtures.Copy("gpt2", folder["model"]);
        File.WriteAllText(folder["model/" + name], "");
        if (belongs) GptCheckpoint.ThrowIfNotWritable(folder["model"]);
        else Assert.AreEqual(name, Assert.ThrowsExactly<FolderNotReplaceableException>(() => GptCheckpoint.ThrowIfNotWritable(folder["model"])).EntryName);
    }

    private static void WithConfig(string folder, string fixture, Action<JsonNode> edit)
    {
        CheckpointFixtures.Copy(fixture, folder);
        JsonNode json = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!;
        edit(json);
        File.WriteAllText(Path.Combine(folder, "config.json"), json.ToJsonString());
    }

    private sealed class NoWeights(GptConfig config) : IGptWeights
    {
        public GptConfig Config => config;

        public void Read(string name, Span<float> destination) => Assert.Fail("Nothing is read.");
    }
}
