using System.Text.Json;
using System.Text.Json.Nodes;
using MLNet.Gpt.Core.Tests.Storage;

namespace MLNet.Gpt.Core.Tests.Checkpoint;

[TestClass]
public sealed class GptCheckpointTests
{
    [TestMethod]
    [DataRow("gpt2")]
    [DataRow("gpt2-unprefixed")]
    [DataRow("gpt2-sharded")]
    public void A_GPT2_written_elsewhere_is_read(string name)
    {
        using GptCheckpoint checkpoint = GptCheckpoint.Open(CheckpointFixtures.Folder(name));
        Assert.AreEqual(CheckpointFixtures.Gpt2, checkpoint.Config);
        CheckpointFixtures.AssertFormula(checkpoint);
        Assert.IsNull(checkpoint.Tokenizer);
        CollectionAssert.AreEqual(new[] { 10 }, checkpoint.Generation.StopTokenIds.ToArray()); // config.json's eos_token_id
    }

    [TestMethod]
    public void A_GPT1_written_elsewhere_is_read()
    {
        using GptCheckpoint checkpoint = GptCheckpoint.Open(CheckpointFixtures.Folder("gpt1"));
        GptConfig expected = CheckpointFixtures.Gpt2 with { BlockForm = GptBlockForm.PostNorm, EmbeddingDropout = 0.1f, AttentionDropout = 0.1f, ResidualDropout = 0.1f };
        Assert.AreEqual(expected, checkpoint.Config);
        CheckpointFixtures.AssertFormula(checkpoint);
    }

    public static IEnumerable<object[]> Configs =>
    [
        [CheckpointFixtures.Gpt2, "gpt2"],
        [CheckpointFixtures.Gpt2 with { FeedForwardSize = 7, LayerNormEpsilon = 1e-6f, InitializerRange = 0.013f }, "gpt2"],
        [CheckpointFixtures.Gpt2 with { BlockForm = GptBlockForm.PostNorm }, "openai-gpt"],
        [CheckpointFixtures.Gpt2 with { BlockForm = GptBlockForm.PostNorm, FeedForwardSize = 7 }, "mlnet-gpt"],
        [CheckpointFixtures.Gpt2 with { AttentionPattern = GptAttentionPattern.AlternatingDenseAndBanded, AttentionBandWidth = 3 }, "mlnet-gpt"],
        [CheckpointFixtures.Gpt2 with { AttentionPattern = GptAttentionPattern.AlternatingDenseAndBanded, AttentionBandWidth = 5, BlockForm = GptBlockForm.PostNorm }, "mlnet-gpt"],
    ];

    [TestMethod]
    [DynamicData(nameof(Configs))]
    public void What_is_written_is_read_bit_for_bit(GptConfig config, string modelType)
    {
        using var folder = new TemporaryFolder();
        var weights = new RandomWeights(config);
        GptCheckpoint.Write(folder["model"], weights);
        using GptCheckpoint checkpoint = GptCheckpoint.Open(folder["model"]);
        Assert.AreEqual(config, checkpoint.Config);
        Assert.AreEqual(modelType, JsonNode.Parse(File.ReadAllText(folder["model/config.json"]))!["model_type"]!.GetValue<string>());
        CheckpointFixtures.AssertEqual(weights, checkpoint);
        CollectionAssert.AreEqual(new[] { "config.json", "generation_config.json", "model.safetensors" }, TemporaryFolder.NamesIn(folder["model"]));
        CollectionAssert.AreEqual(new[] { "model" }, folder.Names);
    }

    // transformers' GPT2LMHeadModel and OpenAIGPTLMHeadModel: state_dict without the tied head, read by hand from the file.
    [TestMethod]
    [DataRow(GptBlockForm.PreNorm, "transformer.wte.weight", "transformer.wpe.weight", true)]
    [DataRow(GptBlockForm.PostNorm, "transformer.tokens_embed.weight", "transformer.positions_embed.weight", false)]
    public void The_names_and_shapes_are_those_of_transformers(GptBlockForm form, string tokens, string positions, bool hasFinalNorm)
    {
        using var folder = new TemporaryFolder();
        GptConfig config = CheckpointFixtures.Gpt2 with { BlockForm = form };
        var weights = new RandomWeights(config);
        GptCheckpoint.Write(folder["model"], weights);
        byte[] bytes = File.ReadAllBytes(folder["model/model.safetensors"]);
        int headerLength = (int)BitConverter.ToUInt64(bytes, 0);
        using JsonDocument header = JsonDocument.Parse(bytes.AsMemory(8, headerLength));
        Assert.AreEqual("""{"format":"pt"}""", header.RootElement.GetProperty("__metadata__").GetRawText());
        var expected = new SortedDictionary<string, string>(StringComparer.Ordinal) { [tokens] = "[11,4]", [positions] = "[6,4]" };
        foreach (int layer in (int[])[0, 1])
        {
            (string Name, string Shape)[] parts =
            [
                ("ln_1.weight", "[4]"), ("ln_1.bias", "[4]"), ("attn.c_attn.weight", "[4,12]"), ("attn.c_attn.bias", "[12]"), ("attn.c_proj.weight", "[4,4]"), ("attn.c_proj.bias", "[4]"),
                ("ln_2.weight", "[4]"), ("ln_2.bias", "[4]"), ("mlp.c_fc.weight", "[4,16]"), ("mlp.c_fc.bias", "[16]"), ("mlp.c_proj.weight", "[16,4]"), ("mlp.c_proj.bias", "[4]"),
            ];
            foreach ((string name, string shape) in parts) expected.Add($"transformer.h.{layer}.{name}", shape);
        }

        if (hasFinalNorm) (expected["transformer.ln_f.weight"], expected["transformer.ln_f.bias"]) = ("[4]", "[4]");
        var found = header.RootElement.EnumerateObject().Where(static property => property.Name != "__metadata__").ToList();
        CollectionAssert.AreEqual(expected.Select(static pair => pair.Key + pair.Value).ToArray(), found.Select(static property => property.Name + property.Value.GetProperty("shape").GetRawText()).ToArray());
        Assert.IsTrue(found.All(static property => property.Value.GetProperty("dtype").GetString() == "F32"));

        // One tensor's numbers, by its offsets.
        long[] offsets = header.RootElement.GetProperty("transformer.h.1.mlp.c_fc.weight").GetProperty("data_offsets").Deserialize<long[]>()!;
        var values = new float[64];
        weights.Read("h.1.mlp.c_fc.weight", values);
        for (int i = 0; i < 64; i++) Assert.AreEqual(values[i], BitConverter.ToSingle(bytes, 8 + headerLength + (int)offsets[0] + (4 * i)));
        Assert.AreEqual(64 * 4, offsets[1] - offsets[0]);
    }

    [TestMethod]
    public void The_configuration_has_the_keys_of_transformers()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["abcdefgh"]);
        GptCheckpoint.Write(folder["gpt2"], new RandomWeights(CheckpointFixtures.Gpt2), tokenizer);
        JsonNode json = JsonNode.Parse(File.ReadAllText(folder["gpt2/config.json"]))!;
        (string Key, string Value)[] expected =
        [
            ("model_type", "\"gpt2\""), ("architectures", "[\"GPT2LMHeadModel\"]"), ("vocab_size", "11"), ("n_positions", "6"), ("n_ctx", "6"), ("n_embd", "4"), ("n_layer", "2"), ("n_head", "2"),
            ("activation_function", "\"gelu_new\""), ("embd_pdrop", "0.2"), ("attn_pdrop", "0.1"), ("resid_pdrop", "0.3"), ("layer_norm_epsilon", "1E-05"), ("initializer_range", "0.02"),
            ("bos_token_id", $"{tokenizer.EndOfTextId}"), ("eos_token_id", $"{tokenizer.EndOfTextId}"), ("tie_word_embeddings", "true"), ("torch_dtype", "\"float32\""),
        ];
        foreach ((string key, string value) in expected) Assert.AreEqual(value, json[key]!.ToJsonString(), key);
        Assert.AreEqual("null", JsonDocument.Parse(json.ToJsonString()).RootElement.GetProperty("n_inner").GetRawText());
        CollectionAssert.DoesNotContain(json.AsObject().Select(static pair => pair.Key).ToArray(), "attention_pattern");
        GptCheckpoint.Write(folder["gpt1"], new RandomWeights(CheckpointFixtures.Gpt2 with { BlockForm = GptBlockForm.PostNorm }));
        json = JsonNode.Parse(File.ReadAllText(folder["gpt1/config.json"]))!;
        Assert.AreEqual("\"gelu\"", json["afn"]!.ToJsonString());
        Assert.AreEqual("[\"OpenAIGPTLMHeadModel\"]", json["architectures"]!.ToJsonString());
        Assert.AreEqual("null", JsonDocument.Parse(json.ToJsonString()).RootElement.GetProperty("eos_token_id").GetRawText());
    }

    [TestMethod]
    public void The_tokenizer_comes_with_the_weights()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["abcdefgh"]);
        GptCheckpoint.Write(folder["model"], new RandomWeights(CheckpointFixtures.Gpt2), tokenizer);
        using GptCheckpoint checkpoint = GptCheckpoint.Open(folder["model"]);
        Assert.AreEqual(tokenizer.Hash, checkpoint.Tokenizer!.Hash);
        CollectionAssert.AreEqual(new[] { tokenizer.EndOfTextId }, checkpoint.Generation.StopTokenIds.ToArray());

        // Written over it without one, nothing of the old one is left.
        GptCheckpoint.Write(folder["model"], new RandomWeights(CheckpointFixtures.Gpt2));
        using GptCheckpoint without = GptCheckpoint.Open(folder["model"]);
        Assert.IsNull(without.Tokenizer);
    }

    [TestMethod]
    public void A_tokenizer_with_more_tokens_than_the_model_is_refused()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["abcdefghijklmnop"]);
        Assert.ThrowsExactly<TokenizerMismatchException>(() => GptCheckpoint.Write(folder["model"], new RandomWeights(CheckpointFixtures.Gpt2), tokenizer));
        Assert.IsEmpty(folder.Names);
        CheckpointFixtures.Copy("gpt2", folder["model"]);
        tokenizer.Save(folder["model"]);
        using GptCheckpoint checkpoint = GptCheckpoint.Open(folder["model"]);
        Assert.ThrowsExactly<TokenizerMismatchException>(() => checkpoint.Tokenizer);
    }

    [TestMethod]
    public void Generation_settings_are_stored()
    {
        using var folder = new TemporaryFolder();
        var options = new GenerationOptions { MaxNewTokens = 33, MinNewTokens = 2, Temperature = 0.7f, TopK = 40, TopP = 0.9f, RepetitionPenalty = 1.2f, StopStrings = ["\n\n", "é"], StopTokenIds = [3, 5] };
        foreach (GenerationOptions written in (GenerationOptions[])[options, options with { Temperature = 0, TopK = 0, TopP = 1 }])
        {
            GptCheckpoint.Write(folder["model"], new RandomWeights(CheckpointFixtures.Gpt2), null, written);
            using GptCheckpoint checkpoint = GptCheckpoint.Open(folder["model"]);
            GenerationOptions read = checkpoint.Generation;
            CollectionAssert.AreEqual(written.StopStrings.ToArray(), read.StopStrings.ToArray());
            CollectionAssert.AreEqual(written.StopTokenIds.ToArray(), read.StopTokenIds.ToArray());
            Assert.AreEqual(written with { StopStrings = read.StopStrings, StopTokenIds = read.StopTokenIds }, read);
            Assert.IsEmpty(checkpoint.UnsupportedGenerationSettings);
        }
    }

    [TestMethod]
    public void A_checkpoint_without_settings_of_its_own_samples_in_transformers_as_it_does_here()
    {
        using var folder = new TemporaryFolder();
        GptCheckpoint.Write(folder["model"], new RandomWeights(CheckpointFixtures.Gpt2), GptTokenizer.FromCharacters(["abcdefgh"]));
        JsonNode json = JsonNode.Parse(File.ReadAllText(folder["model/generation_config.json"]))!;
        Assert.AreEqual("""{"bos_token_id":8,"eos_token_id":8,"do_sample":true,"temperature":1,"top_k":0,"top_p":1,"repetition_penalty":1}""", json.ToJsonString());
        using GptCheckpoint checkpoint = GptCheckpoint.Open(folder["model"]);
        GenerationOptions read = checkpoint.Generation;
        CollectionAssert.AreEqual(new[] { 8 }, read.StopTokenIds.ToArray());
        var standard = new GenerationOptions();
        Assert.AreEqual(standard with { StopStrings = read.StopStrings, StopTokenIds = read.StopTokenIds }, read);
    }

    [TestMethod]
    public void Generation_settings_from_elsewhere_are_read_and_unknown_ones_named()
    {
        using var folder = new TemporaryFolder();
        CheckpointFixtures.Copy("gpt2", folder["model"]);
        File.WriteAllText(folder["model/generation_config.json"], """{"_from_model_config": true, "bos_token_id": 10, "eos_token_id": [10, 4], "do_sample": true, "top_k": null, "num_beams": 4, "transformers_version": "4.30.0"}""");
        using GptCheckpoint checkpoint = GptCheckpoint.Open(folder["model"]);
        CollectionAssert.AreEqual(new[] { 10, 4 }, checkpoint.Generation.StopTokenIds.ToArray());
        CollectionAssert.AreEqual(new[] { "num_beams" }, checkpoint.UnsupportedGenerationSettings.ToArray());
        foreach (string damaged in (string[])["""{"top_k": "many"}""", """{"top_p": 7}""", """{"eos_token_id": "x"}""", """{"eos_token_id": [-1]}""", """{"stop_strings": [1]}""", """{"temperature": -1}"""])
        {
            File.WriteAllText(folder["model/generation_config.json"], damaged);
            Assert.ThrowsExactly<CorruptFileException>(() => GptCheckpoint.Open(folder["model"]), damaged);
        }
    }

    [TestMethod]
    public void A_missing_tensor_is_named()
    {
        using var folder = new TemporaryFolder();
        WriteEdited(folder["model"], tensors => tensors.RemoveAll(static tensor => tensor.Name == "transformer.h.1.mlp.c_proj.bias"));
        TensorMismatchException exception = Assert.ThrowsExactly<TensorMismatchException>(() => GptCheckpoint.Open(folder["model"]));
        Assert.AreEqual(("transformer.h.1.mlp.c_proj.bias", "[4]", "nothing"), (exception.TensorName, exception.Expected, exception.Found));
    }

    [TestMethod]
    [DataRow("transformer.h.0.attn.c_attn.weight", nameof(SafeTensorType.Float32), new long[] { 12, 4 }, "[12, 4] F32")]
    [DataRow("transformer.h.0.attn.c_attn.weight", nameof(SafeTensorType.Float32), new long[] { 48 }, "[48] F32")]
    [DataRow("transformer.ln_f.bias", nameof(SafeTensorType.Int32), new long[] { 4 }, "[4] I32")]
    public void A_tensor_of_another_shape_or_type_is_named(string name, string type, long[] shape, string found)
    {
        using var folder = new TemporaryFolder();
        WriteEdited(folder["model"], tensors => tensors[tensors.FindIndex(tensor => tensor.Name == name)] = new(name, Enum.Parse<SafeTensorType>(type), shape));
        TensorMismatchException exception = Assert.ThrowsExactly<TensorMismatchException>(() => GptCheckpoint.Open(folder["model"]));
        Assert.AreEqual((name, found), (exception.TensorName, exception.Found));
    }

    [TestMethod]
    [DataRow("score.weight")]
    [DataRow("transformer.h.2.attn.bias")] // the model has layers 0 and 1
    [DataRow("transformer.h.0.attn.rotary")]
    [DataRow("transformer.lm_head.weight")]
    public void A_tensor_that_the_model_has_no_use_for_is_named(string name)
    {
        using var folder = new TemporaryFolder();
        WriteEdited(folder["model"], tensors => tensors.Add(new(name, SafeTensorType.Float32, [2, 4])));
        Assert.AreEqual(name, Assert.ThrowsExactly<TensorMismatchException>(() => GptCheckpoint.Open(folder["model"])).TensorName);
    }

    [TestMethod]
    public void A_tensor_with_and_without_the_prefix_is_refused()
    {
        using var folder = new TemporaryFolder();
        WriteEdited(folder["model"], static tensors => tensors.Add(new("ln_f.bias", SafeTensorType.Float32, [4])));
        StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => GptCheckpoint.Open(folder["model"])).Message, "both 'ln_f.bias' and 'transformer.ln_f.bias'");
    }

    [TestMethod]
    public void A_head_of_its_own_is_refused_and_an_equal_one_accepted()
    {
        using var folder = new TemporaryFolder();
        WriteEdited(folder["same"], static tensors => tensors.Add(new("lm_head.weight", SafeTensorType.Float32, [11, 4])), static name => name == "lm_head.weight" ? "transformer.wte.weight" : name);
        using (GptCheckpoint checkpoint = GptCheckpoint.Open(folder["same"])) Assert.AreEqual(11, checkpoint.Config.VocabularySize);
        WriteEdited(folder["other"], static tensors => tensors.Add(new("lm_head.weight", SafeTensorType.Float32, [11, 4])));
        UnsupportedModelException exception = Assert.ThrowsExactly<UnsupportedModelException>(() => GptCheckpoint.Open(folder["other"]));
        Assert.AreEqual("lm_head.weight", exception.Setting);

        // safetensors keeps one of two tied names, which may be the head's.
        WriteEdited(folder["head"], static tensors => tensors[tensors.FindIndex(static tensor => tensor.Name == "transformer.wte.weight")] = new("lm_head.weight", SafeTensorType.Float32, [11, 4]));
        using GptCheckpoint onlyHead = GptCheckpoint.Open(folder["head"]);
        float[] values = new float[44];
        onlyHead.Read(GptParameterLayout.TokenEmbedding, values);
        Assert.IsTrue(values.All(static value => value != 0));
    }

    public static IEnumerable<object[]> UnsupportedSettings =>
    [
        ["activation_function", "\"gelu\""], ["activation_function", "\"relu\""], ["scale_attn_weights", "false"], ["scale_attn_by_inverse_layer_idx", "true"],
        ["add_cross_attention", "true"], ["tie_word_embeddings", "false"], ["is_encoder_decoder", "true"], ["model_type", "\"llama\""], ["pruned_heads", "{\"0\": [1]}"],
        ["quantization_config", "{\"bits\": 4}"], ["attention_pattern", "\"sliding\""], ["block_form", "\"post_norm\""], ["block_form", "\"sandwich\""],
    ];

    [TestMethod]
    [DynamicData(nameof(UnsupportedSettings))]
    public void A_setting_that_changes_the_computation_is_refused(string key, string value)
    {
        using var folder = new TemporaryFolder();
        WithConfig(folder["model"], json => json[key] = JsonNode.Parse(value));
        UnsupportedModelException exception = Assert.ThrowsExactly<UnsupportedModelException>(() => GptCheckpoint.Open(folder["model"]));
        Assert.AreEqual(key, exception.Setting);
        Assert.AreEqual(folder["model/config.json"], exception.Path);
    }

    [TestMethod]
    [DataRow("activation_function", "\"gelu_pytorch_tanh\"")]
    [DataRow("reorder_and_upcast_attn", "true")]
    [DataRow("pruned_heads", "{}")]
    [DataRow("quantization_config", "null")]
    [DataRow("scale_attn_weights", "true")]
    [DataRow("unknown_to_us", "[1, 2]")]
    public void A_setting_that_does_not_change_the_computation_is_accepted(string key, string value)
    {
        using var folder = new TemporaryFolder();
        WithConfig(folder["model"], json => json[key] = JsonNode.Parse(value));
        using GptCheckpoint checkpoint = GptCheckpoint.Open(folder["model"]);
        CheckpointFixtures.AssertFormula(checkpoint);
    }

    public static IEnumerable<object[]> BrokenSettings =>
    [
        ["n_embd", "null"], ["n_embd", "\"4\""], ["n_embd", "4.5"], ["n_layer", "0"], ["n_head", "3"], ["vocab_size", "99999999999"], ["attn_pdrop", "1.5"],
        ["layer_norm_epsilon", "1e99"], ["model_type", "null"], ["model_type", "7"], ["scale_attn_weights", "1"],
    ];

    [TestMethod]
    [DynamicData(nameof(BrokenSettings))]
    public void A_setting_that_is_missing_or_out_of_range_is_refused(string key, string value)
    {
        using var folder = new TemporaryFolder();
        WithConfig(folder["model"], json => json[key] = JsonNode.Parse(value));
        CorruptFileException exception = Assert.ThrowsExactly<CorruptFileException>(() => GptCheckpoint.Open(folder["model"]));
        Assert.AreEqual(folder["model/config.json"], exception.Path);
    }

    [TestMethod]
    [Timeout(60_000, CooperativeCancellation = true)]
    public void More_layers_than_the_file_has_tensors_are_refused_at_once()
    {
        using var folder = new TemporaryFolder();
        CheckpointFixtures.Copy("gpt2", folder["model"]);
        JsonNode config = JsonNode.Parse(File.ReadAllText(folder["model/config.json"]))!;
        config["n_layer"] = int.MaxValue;
        File.WriteAllText(folder["model/config.json"], config.ToJsonString());
        long before = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.ThrowsExactly<TensorMismatchException>(() => GptCheckpoint.Open(folder["model"]));
        Assert.AreEqual("the tensors of 2147483647 layers", error.Expected);
        Assert.IsLessThan(16L << 20, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("[]")]
    [DataRow("{\"n_embd\": 4, \"n_embd\": 8}")]
    [DataRow("{\"n_embd\": 4")]
    public void A_configuration_that_is_no_JSON_object_is_refused(string json)
    {
        using var folder = new TemporaryFolder();
        CheckpointFixtures.Copy("gpt2", folder["model"]);
        File.WriteAllText(folder["model/config.json"], json);
        Assert.ThrowsExactly<CorruptFileException>(() => GptCheckpoint.Open(folder["model"]));
    }

    [TestMethod]
    public void Missing_files_are_named()
    {
        using var folder = new TemporaryFolder();
        StringAssert.Contains(Assert.ThrowsExactly<CheckpointNotFoundException>(() => GptCheckpoint.Open(folder["none"])).Message, "no such folder");
        StringAssert.Contains(Assert.ThrowsExactly<CheckpointNotFoundException>(() => GptCheckpoint.Open(folder.Path)).Message, "has no config.json");
        CheckpointFixtures.Copy("gpt2", folder["model"]);
        File.Delete(folder["model/model.safetensors"]);
        StringAssert.Contains(Assert.ThrowsExactly<CheckpointNotFoundException>(() => GptCheckpoint.Open(folder["model"])).Message, "neither model.safetensors nor");
        File.WriteAllText(folder["model/pytorch_model.bin"], "");
        StringAssert.Contains(Assert.ThrowsExactly<CheckpointNotFoundException>(() => GptCheckpoint.Open(folder["model"])).Message, "safe_serialization=True");
    }

    [TestMethod]
    public void An_index_that_leads_out_of_the_folder_or_does_not_fit_is_refused()
    {
        using var folder = new TemporaryFolder();
        CheckpointFixtures.Copy("gpt2-sharded", folder["model"]);
        string index = File.ReadAllText(folder["model/model.safetensors.index.json"]);
        File.Copy(folder["model/model-00001-of-00002.safetensors"], folder["outside.safetensors"]);
        foreach (string path in (string[])["../outside.safetensors", folder["outside.safetensors"], "..", "", "config.json"])
        {
            Edit(json => json["weight_map"]!["transformer.wte.weight"] = path);
            Assert.ThrowsExactly<CorruptFileException>(() => GptCheckpoint.Open(folder["model"]), path);
        }

        Edit(static json => json["weight_map"]!["transformer.wte.weight"] = "model-00002-of-00002.safetensors"); // it lies in the other one
        Assert.ThrowsExactly<CorruptFileException>(() => GptCheckpoint.Open(folder["model"]));
        Edit(static json => json["weight_map"]!.AsObject().Remove("transformer.wte.weight"));
        StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => GptCheckpoint.Open(folder["model"])).Message, "doesn't place tensor 'transformer.wte.weight'");
        Edit(static json => json["weight_map"] = new JsonObject());
        StringAssert.Contains(Assert.ThrowsExactly<CorruptFileException>(() => GptCheckpoint.Open(folder["model"])).Message, "'weight_map' is {}; it must be an object with the file name of each tensor, and not empty");
        Edit(static json => json["weight_map"] = 1);
        Assert.ThrowsExactly<CorruptFileException>(() => GptCheckpoint.Open(folder["model"]));
        File.WriteAllText(folder["model/model.safetensors.index.json"], index);
        File.Delete(folder["model/model-00002-of-00002.safetensors"]);
        StringAssert.Contains(Assert.ThrowsExactly<CheckpointNotFoundException>(() => GptCheckpoint.Open(folder["model"])).Message, "model-00002-of-00002.safetensors");

        void Edit(Action<JsonNode> edit)
        {
            JsonNode json = JsonNode.Parse(index)!;
            edit(json);
            File.WriteAllText(folder["model/model.safetensors.index.json"], json.ToJsonString());
        }
    }

    // What a writer leaves that was killed between its two renames; Storage/AtomicFolderTests says so.
    [TestMethod]
    public void A_folder_that_was_complete_but_not_in_its_place_is_put_there()
    {
        using var folder = new TemporaryFolder();
        CheckpointFixtures.Copy("gpt2", folder[".model.complete"]);
        using (GptCheckpoint checkpoint = GptCheckpoint.Open(folder["model"])) CheckpointFixtures.AssertFormula(checkpoint);
        CollectionAssert.AreEqual(new[] { "model" }, folder.Names);
    }

    [TestMethod]
    public void What_can_not_be_opened_is_not_kept_open()
    {
        using var folder = new TemporaryFolder();
        CheckpointFixtures.Copy("gpt2-sharded", folder["model"]);
        using (GptCheckpoint.Open(folder["model"]))
        {
            if (OperatingSystem.IsLinux()) CollectionAssert.AreEqual(new[] { "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors" }, MappedFiles.In(folder["model"]));
        }

        JsonNode json = JsonNode.Parse(File.ReadAllText(folder["model/config.json"]))!;
        json["n_positions"] = 7;
        File.WriteAllText(folder["model/config.json"], json.ToJsonString());
        Assert.ThrowsExactly<TensorMismatchException>(() => GptCheckpoint.Open(folder["model"]));
        Assert.IsEmpty(MappedFiles.In(folder["model"]));
        File.WriteAllBytes(folder["broken.safetensors"], [1, 0, 0, 0, 0, 0, 0, 0, (byte)'{']);
        Assert.ThrowsExactly<CorruptFileException>(() => SafeTensorsFile.Open(folder["broken.safetensors"]));
        Assert.IsEmpty(MappedFiles.In(folder.Path));
    }

    // A piece has 65,536 numbers.
    [TestMethod]
    [DataRow(65_535)]
    [DataRow(65_536)]
    [DataRow(65_537)]
    [DataRow(150_000)]
    public void A_tensor_of_several_pieces_is_written_whole(int vocabularySize)
    {
        using var folder = new TemporaryFolder();
        var weights = new RandomWeights(CheckpointFixtures.Gpt2 with { VocabularySize = vocabularySize, EmbeddingSize = 1, HeadCount = 1, LayerCount = 1 });
        GptCheckpoint.Write(folder["model"], weights);
        using GptCheckpoint written = GptCheckpoint.Open(folder["model"]);
        CheckpointFixtures.AssertEqual(weights, written);
    }

    [TestMethod]
    public void Reading_asks_for_a_known_name_and_the_right_length()
    {
        GptCheckpoint checkpoint = GptCheckpoint.Open(CheckpointFixtures.Folder("gpt2"));
        Assert.ThrowsExactly<ArgumentException>(() => checkpoint.Read("transformer.wte.weight", new float[44]));
        Assert.ThrowsExactly<ArgumentException>(() => checkpoint.Read("wte.weight", new float[43]));
        checkpoint.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => checkpoint.Read("wte.weight", new float[44]));
    }

    [TestMethod]
    public void What_training_adds_appears_together_with_the_weights()
    {
        using var folder = new TemporaryFolder();
        GptCheckpoint.Write(folder["model"], new RandomWeights(CheckpointFixtures.Gpt2, 1));
        GptCheckpoint.Write(folder["model"], new RandomWeights(CheckpointFixtures.Gpt2, 2), addFiles: work =>
        {
            string state = Directory.CreateDirectory(Path.Combine(work, GptCheckpoint.TrainingStateFolder)).FullName;
            File.WriteAllText(Path.Combine(state, "step.json"), "7");
            Assert.IsTrue(File.Exists(Path.Combine(work, "model.safetensors")));
            Assert.IsFalse(Directory.Exists(folder["model/training_state"])); // the old folder is still in its place
            using GptCheckpoint old = GptCheckpoint.Open(folder["model"]);
            CheckpointFixtures.AssertEqual(new RandomWeights(CheckpointFixtures.Gpt2, 1), old);
        });
        Assert.AreEqual("7", File.ReadAllText(folder["model/training_state/step.json"]));
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(() => GptCheckpoint.Write(folder["model"], new RandomWeights(CheckpointFixtures.Gpt2), addFiles: work => File.WriteAllText(Path.Combine(work, "notes"), ""))).Message, "'notes'");
    }

    [TestMethod]
    public void A_failure_while_writing_leaves_the_old_checkpoint()
    {
        using var folder = new TemporaryFolder();
        var old = new RandomWeights(CheckpointFixtures.Gpt2, 1);
        GptCheckpoint.Write(folder["model"], old);
        Assert.ThrowsExactly<FormatException>(() => GptCheckpoint.Write(folder["model"], new FailingWeights()));
        Assert.ThrowsExactly<FormatException>(() => GptCheckpoint.Write(folder["model"], new RandomWeights(CheckpointFixtures.Gpt2), addFiles: static _ => throw new FormatException()));
        using GptCheckpoint checkpoint = GptCheckpoint.Open(folder["model"]);
        CheckpointFixtures.AssertEqual(old, checkpoint);
        CollectionAssert.AreEqual(new[] { "model" }, folder.Names);
    }

    [TestMethod]
    public void A_checkpoint_can_be_written_over_itself()
    {
        if (OperatingSystem.IsWindows()) Assert.Inconclusive("Windows keeps open files in place.");
        using var folder = new TemporaryFolder();
        CheckpointFixtures.Copy("gpt2-sharded", folder["model"]);
        using (GptCheckpoint checkpoint = GptCheckpoint.Open(folder["model"]))
        {
            GptCheckpoint.Write(folder["model"], checkpoint);
            CheckpointFixtures.AssertFormula(checkpoint); // what is open stays readable
        }

        CollectionAssert.AreEqual(new[] { "config.json", "generation_config.json", "model.safetensors" }, TemporaryFolder.NamesIn(folder["model"]));
        using GptCheckpoint written = GptCheckpoint.Open(folder["model"]);
        CheckpointFixtures.AssertFormula(written);
    }

    [TestMethod]
    public void A_folder_with_a_users_files_is_not_replaced()
    {
        using var folder = new TemporaryFolder();
        CheckpointFixtures.Copy("gpt2", folder["model"]);
        File.WriteAllText(folder["model/README.md"], "mine");
        Assert.ThrowsExactly<FolderNotReplaceableException>(() => GptCheckpoint.ThrowIfNotWritable(folder["model"]));
        Assert.AreEqual("README.md", Assert.ThrowsExactly<FolderNotReplaceableException>(() => GptCheckpoint.Write(folder["model"], new FailingWeights())).EntryName);
        Assert.AreEqual("mine", File.ReadAllText(folder["model/README.md"]));
        File.WriteAllText(folder["file"], "");
        Assert.ThrowsExactly<FolderNotWritableException>(() => GptCheckpoint.Write(folder["file"], new FailingWeights()));
        GptCheckpoint.ThrowIfNotWritable(folder["new/deep"]);
    }

    [TestMethod]
    public void A_full_disk_leaves_the_old_checkpoint()
    {
        using var disk = new TinyDisk(kilobytes: 128);
        var old = new RandomWeights(CheckpointFixtures.Gpt2, 1);
        GptCheckpoint.Write(disk["model"], old);
        var error = Assert.ThrowsExactly<DiskFullException>(() => GptCheckpoint.Write(disk["model"], new RandomWeights(CheckpointFixtures.Gpt2 with { VocabularySize = 20_000 })));
        Assert.AreEqual(disk["model"], error.Path); // not the hidden folder that is written
        Assert.ThrowsExactly<DiskFullException>(() => GptCheckpoint.Write(disk["model"], new RandomWeights(CheckpointFixtures.Gpt2), addFiles: static work =>
        {
            Directory.CreateDirectory(Path.Combine(work, GptCheckpoint.TrainingStateFolder));
            File.WriteAllBytes(Path.Combine(work, GptCheckpoint.TrainingStateFolder, "moments"), new byte[200_000]);
        }));
        using GptCheckpoint checkpoint = GptCheckpoint.Open(disk["model"]);
        CheckpointFixtures.AssertEqual(old, checkpoint);
        CollectionAssert.AreEqual(new[] { "model" }, TemporaryFolder.NamesIn(disk.Path));
    }

    /// <summary>Writes the fixture's model with another list of tensors; each holds numbers that depend on its name.</summary>
    private static void WriteEdited(string folder, Action<List<SafeTensorInfo>> edit, Func<string, string>? contentOf = null)
    {
        CheckpointFixtures.Copy("gpt2", folder);
        List<SafeTensorInfo> tensors;
        using (SafeTensorsFile file = SafeTensorsFile.Open(Path.Combine(folder, "model.safetensors"))) tensors = [.. file.Tensors];
        edit(tensors);
        SafeTensorsWriter.Write(Path.Combine(folder, "model.safetensors"), tensors, (tensor, stream) =>
        {
            string name = contentOf?.Invoke(tensor.Name) ?? tensor.Name;
            for (int i = 0; i < tensor.ElementCount; i++) stream.Write(BitConverter.GetBytes(1f + i + name[^8])); // 8 from the end: the 'd' of lm_head.weight, the 'e' of wte.weight
        });
    }

    private static void WithConfig(string folder, Action<JsonNode> edit)
    {
        CheckpointFixtures.Copy("gpt2", folder);
        JsonNode json = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!;
        edit(json);
        File.WriteAllText(Path.Combine(folder, "config.json"), json.ToJsonString());
    }

    private sealed class FailingWeights : IGptWeights
    {
        public GptConfig Config => CheckpointFixtures.Gpt2;

        public void Read(string name, Span<float> destination) => throw new FormatException();
    }

    [TestMethod]
    public void A_chat_template_is_kept_with_the_model()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["ab"]);
        ChatTemplate template = ChatTemplate.Default with { UserMarker = "a", AssistantMarker = "b", SystemMarker = null };
        var weights = new RandomWeights(CheckpointFixtures.Gpt2);
        GptCheckpoint.Write(folder["model"], weights, tokenizer, chatTemplate: template);
        using (GptCheckpoint checkpoint = GptCheckpoint.Open(folder["model"])) Assert.AreEqual(template, checkpoint.ChatTemplate);
        GptCheckpoint.Write(folder["model"], weights, tokenizer);
        using (GptCheckpoint checkpoint = GptCheckpoint.Open(folder["model"])) Assert.IsNull(checkpoint.ChatTemplate);
        Assert.ThrowsExactly<ChatTemplateException>(() => GptCheckpoint.Write(folder["model"], weights, chatTemplate: template));
        Assert.ThrowsExactly<ChatTemplateException>(() => GptCheckpoint.Write(folder["model"], weights, tokenizer, chatTemplate: ChatTemplate.ChatMl));
    }

    [TestMethod]
    public void A_tokenizer_that_could_not_be_read_is_read_when_it_can_be()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer letters = GptTokenizer.FromCharacters(["abcdef"]);
        GptCheckpoint.Write(folder["model"], new RandomWeights(CheckpointFixtures.Gpt2), letters);
        using GptCheckpoint checkpoint = GptCheckpoint.Open(folder["model"]);
        string path = folder["model/tokenizer.json"], whole = File.ReadAllText(path);
        File.WriteAllText(path, "{");
        Assert.ThrowsExactly<CorruptFileException>(() => checkpoint.Tokenizer);
        File.WriteAllText(path, whole);
        Assert.AreEqual(letters.Hash, checkpoint.Tokenizer!.Hash);
    }
}
