using System.Text.Json.Nodes;

namespace MLNet.Gpt.Core.Tests.Checkpoint;

[TestClass]
public sealed class LoraCheckpointTests
{
    private static readonly GptConfig Base = new() { VocabularySize = 20, ContextLength = 8, EmbeddingSize = 16, LayerCount = 3, HeadCount = 2 };

    private readonly string _folder = Directory.CreateTempSubdirectory("mlnet-gpt-adapter-").FullName;

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void What_was_written_is_read()
    {
        var options = new LoraOptions { Rank = 2, Alpha = 5, Dropout = 0.25f, Projections = LoraProjections.AttentionIn | LoraProjections.FeedForwardOut, Layers = [2, 0], RankStabilized = true };
        string path = Write(options);
        using LoraCheckpoint adapter = LoraCheckpoint.Open(path, Base);
        Assert.AreEqual("the/base", adapter.BaseModel);
        Assert.AreEqual(options with { Layers = null }, adapter.Options with { Layers = null });
        CollectionAssert.AreEqual(new[] { 0, 2 }, adapter.Options.Layers!.ToArray());
        Assert.AreEqual(5 / Math.Sqrt(2), adapter.Options.Scale, 1e-12);
        CollectionAssert.AreEqual(
            new[]
            {
                "h.0.attn.c_attn.lora_A.weight [2, 16]", "h.0.attn.c_attn.lora_B.weight [48, 2]", "h.0.mlp.c_proj.lora_A.weight [2, 64]", "h.0.mlp.c_proj.lora_B.weight [16, 2]",
                "h.2.attn.c_attn.lora_A.weight [2, 16]", "h.2.attn.c_attn.lora_B.weight [48, 2]", "h.2.mlp.c_proj.lora_A.weight [2, 64]", "h.2.mlp.c_proj.lora_B.weight [16, 2]",
            },
            adapter.Tensors.Select(static t => $"{t.Name} {t.ShapeText}").ToArray());
        var values = new float[32];
        adapter.Read("h.2.attn.c_attn.lora_A.weight", values);
        CollectionAssert.AreEqual(Values("h.2.attn.c_attn.lora_A.weight", 32), values);
        Assert.ThrowsExactly<ArgumentException>(() => adapter.Read("h.1.attn.c_attn.lora_A.weight", values));
        Assert.ThrowsExactly<ArgumentException>(() => adapter.Read("h.2.attn.c_attn.lora_A.weight", new float[31]));
    }

    [TestMethod]
    public void An_adapter_in_the_form_that_PEFT_saves_is_read()
    {
        using LoraCheckpoint adapter = LoraCheckpoint.Open(Path.Combine(AppContext.BaseDirectory, "fixtures", "peft-adapter"), Base);
        Assert.AreEqual("openai-community/gpt2", adapter.BaseModel);
        Assert.AreEqual(new LoraOptions { Rank = 4, Alpha = 6, Dropout = 0.05f, Projections = LoraProjections.Attention | LoraProjections.FeedForwardOut }, adapter.Options);
        int k = 0;
        foreach (GptParameterInfo tensor in adapter.Tensors.OrderBy(static t => t.Name, StringComparer.Ordinal))
        {
            var values = new float[tensor.ElementCount];
            adapter.Read(tensor.Name, values);
            for (int i = 0; i < values.Length; i++) Assert.AreEqual((((7 * i) + (3 * k)) % 251 - 125) / 64f, values[i], tensor.Name);
            k++;
        }
    }

    [TestMethod]
    public void The_configuration_has_PEFTs_members()
    {
        JsonNode json = JsonNode.Parse(File.ReadAllText(Path.Combine(Write(new LoraOptions { Projections = LoraProjections.Attention }), "adapter_config.json")))!;
        Assert.AreEqual("LORA", (string?)json["peft_type"]);
        Assert.AreEqual("CAUSAL_LM", (string?)json["task_type"]);
        Assert.AreEqual("the/base", (string?)json["base_model_name_or_path"]);
        Assert.AreEqual(8, (int?)json["r"]);
        Assert.AreEqual("8", json["lora_alpha"]!.ToJsonString());
        Assert.IsTrue((bool?)json["fan_in_fan_out"]);
        Assert.AreEqual("""["attn.c_attn","attn.c_proj"]""", json["target_modules"]!.ToJsonString());
        Assert.AreEqual("none", (string?)json["bias"]);
    }

    [TestMethod]
    [DataRow("""["c_attn"]""", LoraProjections.AttentionIn)]
    [DataRow("""["c_proj"]""", LoraProjections.AttentionOut | LoraProjections.FeedForwardOut)]
    [DataRow("""["mlp.c_proj", "attn.c_attn"]""", LoraProjections.AttentionIn | LoraProjections.FeedForwardOut)]
    [DataRow("""["c_attn", "c_proj", "c_fc"]""", LoraProjections.All)]
    [DataRow("\"all-linear\"", LoraProjections.All)]
    [DataRow("\".*\\\\.mlp\\\\..*\"", LoraProjections.FeedForward)]
    [DataRow("\"transformer\\\\.h\\\\.\\\\d+\\\\.attn\\\\.(c_attn|c_proj)\"", LoraProjections.Attention)]
    [DataRow("\"h\\\\.\\\\d+\\\\.attn\\\\.(c_attn|c_proj)\"", LoraProjections.Attention)]
    [DataRow("\"^(?!.*mlp).*c_(attn|proj|fc)$\"", LoraProjections.Attention)]
    [DataRow("""["transformer.h.0.attn.c_attn", "transformer.h.1.attn.c_attn", "transformer.h.2.attn.c_attn"]""", LoraProjections.AttentionIn)]
    [DataRow("""["h.0.attn.c_attn", "h.1.attn.c_attn", "h.2.attn.c_attn"]""", LoraProjections.AttentionIn)]
    public void Target_modules_follow_PEFTs_rules(string targets, LoraProjections expected)
    {
        string path = Write(new LoraOptions { Projections = expected });
        Change(path, json => json["target_modules"] = JsonNode.Parse(targets));
        using LoraCheckpoint adapter = LoraCheckpoint.Open(path, Base);
        Assert.AreEqual(expected, adapter.Options.Projections);
        Assert.IsNull(adapter.Options.Layers);
    }

    // An adapter of GPT2Model, without the output head: neither its tensors' names nor its patterns have "transformer.".
    [TestMethod]
    public void An_adapter_of_the_model_without_its_head_is_read()
    {
        string path = Write(new LoraOptions { Projections = LoraProjections.FeedForwardIn });
        Rename(path, static name => name.Replace("base_model.model.transformer.", "base_model.model.", StringComparison.Ordinal));
        Change(path, static json =>
        {
            json["target_modules"] = @"h\.[0-9]+\.mlp\.c_fc";
            json["task_type"] = "FEATURE_EXTRACTION";
        });
        using LoraCheckpoint adapter = LoraCheckpoint.Open(path, Base);
        Assert.AreEqual(LoraProjections.FeedForwardIn, adapter.Options.Projections);
        var values = new float[8 * 16];
        adapter.Read("h.1.mlp.c_fc.lora_A.weight", values);
        CollectionAssert.AreEqual(Values("h.1.mlp.c_fc.lora_A.weight", values.Length), values);
    }

    // PEFT saves both where the vocabulary was enlarged, whatever adapter_config.json says.
    [TestMethod]
    [DataRow("base_model.model.transformer.wte.weight")]
    [DataRow("base_model.model.lm_head.weight")]
    [DataRow("base_model.model.score.weight")]
    [DataRow("base_model.model.transformer.h.0.ln_1.weight")]
    public void Embeddings_and_heads_saved_along_are_named_in_the_refusal(string name)
    {
        string path = Write(new LoraOptions());
        AddTensor(path, name);
        var error = Assert.ThrowsExactly<UnsupportedAdapterException>(() => LoraCheckpoint.Open(path, Base));
        Assert.Contains(name, error.Message);
        Assert.Contains("Merge the adapter", error.Message);
        string extra = Write(new LoraOptions());
        Change(extra, static json => json["modules_to_save"] = new JsonArray("wte", "lm_head"));
        Assert.Contains("lm_head", Assert.ThrowsExactly<UnsupportedAdapterException>(() => LoraCheckpoint.Open(extra, Base)).Message);
    }

    // All members of PEFT's LoraConfig at their defaults, and those that change nothing about a finished adapter at other values.
    [TestMethod]
    public void Every_member_of_PEFTs_configuration_is_known()
    {
        string path = Write(new LoraOptions { Projections = LoraProjections.AttentionIn });
        Change(path, static json =>
        {
            foreach ((string name, JsonNode? value) in JsonNode.Parse("""
                {"alora_invocation_tokens":null,"alpha_pattern":{},"arrow_config":null,"auto_mapping":{"base_model_class":"GPT2LMHeadModel","parent_library":"transformers.models.gpt2.modeling_gpt2"},
                "bias":"none","corda_config":{"corda_method":"ipm"},"ensure_weight_tying":true,"eva_config":{"rho":1.0},"exclude_modules":null,"fan_in_fan_out":false,"inference_mode":false,
                "init_lora_weights":"eva","kasa_config":null,"layer_replication":null,"layers_pattern":null,"layers_to_transform":null,"loftq_config":{"loftq_bits":4},"lora_bias":false,"lora_ga_config":{"bsz":2},
                "megatron_config":{"hidden_size":16},"megatron_core":"megatron.core","modules_to_save":null,"monteclora_config":null,"peft_type":"LORA","peft_version":"0.19.2.dev0","qalora_group_size":16,
                "rank_pattern":{},"revision":"main","target_modules":["c_attn"],"target_parameters":null,"task_type":null,"trainable_token_indices":null,"use_bdlora":null,"use_dora":false,
                "use_qalora":false,"use_rslora":false,"velora_config":{"num_groups":64}}
                """)!.AsObject())
            {
                json[name] = value?.DeepClone();
            }
        });
        using LoraCheckpoint adapter = LoraCheckpoint.Open(path, Base);
        Assert.AreEqual(LoraProjections.AttentionIn, adapter.Options.Projections);
    }

    [TestMethod]
    public void Layers_and_exclusions_are_honoured()
    {
        string path = Write(new LoraOptions { Projections = LoraProjections.AttentionOut, Layers = [1] });
        Change(path, static json =>
        {
            json["target_modules"] = new JsonArray("c_proj");
            json["exclude_modules"] = new JsonArray("mlp.c_proj");
            json["layers_to_transform"] = 1;
            json["layers_pattern"] = "h";
        });
        using LoraCheckpoint adapter = LoraCheckpoint.Open(path, Base);
        Assert.AreEqual(LoraProjections.AttentionOut, adapter.Options.Projections);
        CollectionAssert.AreEqual(new[] { 1 }, adapter.Options.Layers!.ToArray());
    }

    [TestMethod]
    [DataRow("use_dora", "true")]
    [DataRow("rank_pattern", """{"c_attn": 4}""")]
    [DataRow("alpha_pattern", """{"c_attn": 4}""")]
    [DataRow("modules_to_save", """["lm_head"]""")]
    [DataRow("bias", "\"all\"")]
    [DataRow("peft_type", "\"IA3\"")]
    [DataRow("peft_type", "null")]
    [DataRow("init_lora_weights", "\"pissa\"")]
    [DataRow("init_lora_weights", "\"olora\"")]
    [DataRow("init_lora_weights", "\"corda\"")]
    [DataRow("init_lora_weights", "\"lora_ga\"")]
    [DataRow("layer_replication", "[[0, 2]]")]
    [DataRow("lora_bias", "true")]
    [DataRow("alora_invocation_tokens", "[5]")]
    [DataRow("trainable_token_indices", "[5]")]
    [DataRow("target_parameters", """["c_attn.weight"]""")]
    [DataRow("kasa_config", """{"beta":0.1}""")]
    [DataRow("monteclora_config", """{"sample_size":8}""")]
    [DataRow("arrow_config", """{"top_k":3}""")]
    [DataRow("use_bdlora", """{"nblocks":2}""")]
    [DataRow("use_qalora", "true")]
    [DataRow("target_modules", "\"(unclosed\"")]
    [DataRow("target_modules", "\"((.*)*)*(?=x)\"")]
    [DataRow("a_setting_of_tomorrow", "1")]
    [DataRow("target_modules", """["c_attn", "wte"]""")]
    [DataRow("target_modules", """["lm_head"]""")]
    [DataRow("target_modules", """["h.1.attn.c_attn", "h.0.mlp.c_fc"]""")]
    [DataRow("target_modules", "\"(?=x).*\"")]
    [DataRow("layers_pattern", "\"blocks\"")]
    [DataRow("task_type", "\"SEQ_2_SEQ_LM\"")]
    public void What_is_not_supported_is_refused_by_name(string setting, string value)
    {
        string path = Write(new LoraOptions());
        Change(path, json => json[setting] = JsonNode.Parse(value));
        var error = Assert.ThrowsExactly<UnsupportedAdapterException>(() => LoraCheckpoint.Open(path, Base));
        Assert.AreEqual(setting, error.Setting);
        Assert.Contains(setting, error.Message);
    }

    [TestMethod]
    [DataRow("r", "0")]
    [DataRow("r", "\"eight\"")]
    [DataRow("lora_alpha", "null")]
    [DataRow("lora_dropout", "2")]
    [DataRow("use_rslora", "1")]
    [DataRow("layers_to_transform", "[\"first\"]")]
    public void A_wrong_value_is_a_corrupt_file(string setting, string value)
    {
        string path = Write(new LoraOptions());
        Change(path, json => json[setting] = JsonNode.Parse(value));
        Assert.ThrowsExactly<CorruptFileException>(() => LoraCheckpoint.Open(path, Base));
    }

    [TestMethod]
    public void An_adapter_for_another_base_is_refused_with_both_shapes()
    {
        string path = Write(new LoraOptions());
        var wider = Assert.ThrowsExactly<TensorMismatchException>(() => LoraCheckpoint.Open(path, Base with { EmbeddingSize = 32 }));
        Assert.Contains("[8, 32]", wider.Expected);
        Assert.Contains("[8, 16]", wider.Found);
        var deeper = Assert.ThrowsExactly<TensorMismatchException>(() => LoraCheckpoint.Open(path, Base with { LayerCount = 4 }));
        Assert.AreEqual("nothing", deeper.Found);
        var flatter = Assert.ThrowsExactly<TensorMismatchException>(() => LoraCheckpoint.Open(path, Base with { LayerCount = 2 }));
        Assert.Contains("h.2.", flatter.TensorName);
    }

    // What a writer leaves that was killed between its two renames; Storage/AtomicFolderTests says so.
    [TestMethod]
    public void A_folder_that_was_complete_but_not_in_its_place_is_put_there()
    {
        string path = Write(new LoraOptions());
        Directory.Move(path, Path.Combine(_folder, $".{Path.GetFileName(path)}.complete"));
        using (LoraCheckpoint adapter = LoraCheckpoint.Open(path, Base)) Assert.HasCount(6, adapter.Tensors);
        CollectionAssert.AreEqual(new[] { Path.GetFileName(path) }, TemporaryFolder.NamesIn(_folder));
    }

    [TestMethod]
    public void What_can_not_be_opened_is_not_kept_open()
    {
        string path = Write(new LoraOptions());
        using (LoraCheckpoint.Open(path, Base))
        {
            if (OperatingSystem.IsLinux()) CollectionAssert.AreEqual(new[] { "adapter_model.safetensors" }, MappedFiles.In(path));
        }

        Assert.ThrowsExactly<TensorMismatchException>(() => LoraCheckpoint.Open(path, Base with { EmbeddingSize = 32 }));
        Assert.IsEmpty(MappedFiles.In(path));
    }

    [TestMethod]
    public void Missing_files_are_named()
    {
        Assert.ThrowsExactly<CheckpointNotFoundException>(() => LoraCheckpoint.Open(Path.Combine(_folder, "nowhere"), Base));
        string path = Write(new LoraOptions());
        File.Delete(Path.Combine(path, "adapter_model.safetensors"));
        Assert.Contains("adapter_model.safetensors", Assert.ThrowsExactly<CheckpointNotFoundException>(() => LoraCheckpoint.Open(path, Base)).Message);
    }

    [TestMethod]
    public void Options_outside_their_range_are_refused_by_name()
    {
        Assert.AreEqual("Rank", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new LoraOptions { Rank = 0 }.Validate()).ParamName);
        Assert.AreEqual("Alpha", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new LoraOptions { Alpha = double.NaN }.Validate()).ParamName);
        Assert.AreEqual("Dropout", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new LoraOptions { Dropout = 1 }.Validate()).ParamName);
        Assert.AreEqual("Projections", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new LoraOptions { Projections = LoraProjections.None }.Validate()).ParamName);
        Assert.AreEqual("Layers", Assert.ThrowsExactly<ArgumentException>(() => new LoraOptions { Layers = [1, 1] }.Validate()).ParamName);
        Assert.AreEqual("Layers", Assert.ThrowsExactly<ArgumentException>(() => LoraLayout.Of(Base, new LoraOptions { Layers = [3] })).ParamName);
    }

    private string Write(LoraOptions options)
    {
        string path = Path.Combine(_folder, "adapter");
        LoraCheckpoint.Write(path, Base, options, static (name, values) => Values(name, values.Length).CopyTo(values, 0), "the/base");
        return path;
    }

    /// <summary>Writes the tensors again under other names.</summary>
    private static void Rename(string path, Func<string, string> rename) => Rewrite(path, tensors => [.. tensors.Select(tensor => (rename(tensor.Name), tensor.Shape, tensor.Values))]);

    private static void AddTensor(string path, string name) => Rewrite(path, tensors => [.. tensors, (name, [2, 3], new float[6])]);

    private static void Rewrite(string path, Func<List<(string Name, long[] Shape, float[] Values)>, (string Name, long[] Shape, float[] Values)[]> change)
    {
        string file = Path.Combine(path, "adapter_model.safetensors");
        var tensors = new List<(string Name, long[] Shape, float[] Values)>();
        using (SafeTensorsFile old = SafeTensorsFile.Open(file))
        {
            foreach (SafeTensorInfo info in old.Tensors)
            {
                var values = new float[info.ElementCount];
                old.Read(info.Name, values);
                tensors.Add((info.Name, [.. info.Shape], values));
            }
        }

        Dictionary<string, (string Name, long[] Shape, float[] Values)> changed = change(tensors).ToDictionary(static tensor => tensor.Name);
        SafeTensorsWriter.Write(file, changed.Values.Select(static tensor => new SafeTensorInfo(tensor.Name, SafeTensorType.Float32, tensor.Shape)),
            (info, stream) => stream.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes(changed[info.Name].Values.AsSpan())), new Dictionary<string, string> { ["format"] = "pt" });
    }

    private static float[] Values(string name, int count) => [.. Enumerable.Range(0, count).Select(i => name.Length + (i / 4f))];

    private static void Change(string path, Action<JsonNode> change)
    {
        string file = Path.Combine(path, "adapter_config.json");
        JsonNode json = JsonNode.Parse(File.ReadAllText(file))!;
        change(json);
        File.WriteAllText(file, json.ToJsonString());
    }
}
