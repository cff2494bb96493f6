using System.Text.Json.Nodes;

namespace MLNet.Gpt.Core.Tests.Checkpoint;

/// <summary>What is wrong with an adapter is said with the value that was found, what would be right, and the remedy; and what is written is PEFT's, member by member.</summary>
[TestClass]
public sealed class LoraErrorTests
{
    private const string Names = "c_attn, c_proj (attn.c_proj, mlp.c_proj) and c_fc", Again = "Fetch or write the checkpoint again.";

    private static readonly GptConfig Base = new() { VocabularySize = 20, ContextLength = 8, EmbeddingSize = 16, LayerCount = 3, HeadCount = 2 };

    [TestMethod]
    [DataRow("peft_type", "\"IA3\"", "\"LORA\"")]
    [DataRow("peft_type", null, "\"LORA\"")]
    [DataRow("bias", "\"all\"", "\"none\"")]
    [DataRow("task_type", "\"SEQ_2_SEQ_LM\"", "CAUSAL_LM, FEATURE_EXTRACTION, SEQ_CLS or null")]
    [DataRow("init_lora_weights", "\"pissa\"", "true, false, \"gaussian\", \"orthogonal\", \"eva\" or \"mica\"")]
    [DataRow("use_dora", "true", "null, false or empty")]
    [DataRow("rank_pattern", """{"c_attn":4}""", "null, false or empty")]
    [DataRow("target_modules", """["c_attn","wte"]""", Names, "\"wte\"")]
    [DataRow("target_modules", "\"(unclosed\"", "a list of names, \"all-linear\", or a pattern that .NET's regular expressions understand too", "(unclosed")]
    [DataRow("target_modules", "\"((.*)*)*(?=x)\"", "a pattern that is matched within 1 s")]
    [DataRow("target_modules", "\"(?=x).*\"", "one or more of " + Names)]
    [DataRow("target_modules", """["h.1.attn.c_attn","h.0.mlp.c_fc"]""", "the same modules in each layer that is adapted")]
    [DataRow("layers_pattern", "\"blocks\"", "null or \"h\"")]
    [DataRow("layers_pattern", """["h","blocks"]""", "null or \"h\"")]
    [DataRow("layers_pattern", """[1]""", "null or \"h\"")]
    [DataRow("layers_pattern", "1", "null or \"h\"")]
    public void An_unsupported_setting_is_told_with_what_is_supported(string setting, string? value, string supported, string? found = null)
    {
        using var folder = new TemporaryFolder();
        Write(folder.Path, new LoraOptions(), json => json[setting] = value is null ? null : JsonNode.Parse(value));
        var error = Assert.ThrowsExactly<UnsupportedAdapterException>(() => LoraCheckpoint.Open(folder["adapter"], Base));
        Assert.AreEqual((setting, found ?? value ?? "missing", supported), (error.Setting, error.Found, error.Supported));
    }

    [TestMethod]
    [DataRow("r", "null", "'r' is missing; it must be a whole number. " + Again)]
    [DataRow("r", "0", "Rank is 0; it must be 1 or more. (Parameter 'Rank')\nActual value was 0. Fetch or write the adapter again.")]
    [DataRow("lora_alpha", "null", "'lora_alpha' is missing; it must be a number. " + Again)]
    [DataRow("use_rslora", "1", "'use_rslora' is 1; it must be true or false. " + Again)]
    [DataRow("target_modules", "null", "'target_modules' is missing; it must be a list of names, or a pattern. " + Again)]
    [DataRow("target_modules", """["c_attn",1]""", "'target_modules' is [\"c_attn\",1]; it must be a string. " + Again)]
    [DataRow("layers_to_transform", """["first"]""", "'layers_to_transform' is [\"first\"]; it must be a layer or a list of layers, from 0. " + Again)]
    [DataRow("layers_to_transform", "-1", "'layers_to_transform' is -1; it must be a layer or a list of layers, from 0. " + Again)]
    public void A_wrong_value_is_told_with_what_it_must_be(string setting, string value, string problem)
    {
        using var folder = new TemporaryFolder();
        Write(folder.Path, new LoraOptions(), json => json[setting] = JsonNode.Parse(value));
        Assert.AreEqual(
            $"'{folder["adapter/adapter_config.json"]}' can't be read: {problem}", Assert.ThrowsExactly<CorruptFileException>(() => LoraCheckpoint.Open(folder["adapter"], Base)).Message.ReplaceLineEndings("\n"));
    }

    [TestMethod]
    [DataRow("task_type", "\"SEQ_CLS\"")]
    [DataRow("init_lora_weights", "\"gaussian\"")]
    [DataRow("init_lora_weights", "\"orthogonal\"")]
    [DataRow("init_lora_weights", "\"mica\"")]
    [DataRow("init_lora_weights", "false")]
    [DataRow("runtime_config", """{"ephemeral_gpu_offload":true}""")]
    [DataRow("layers_pattern", """["h"]""")]
    [DataRow("layers_pattern", "[]")]
    [DataRow("use_rslora", "null")]
    [DataRow("lora_dropout", "null")]
    [DataRow("target_modules", """["attn.c_attn","c_attn"]""")]
    public void A_setting_that_says_nothing_else_about_the_result_is_accepted(string setting, string value)
    {
        using var folder = new TemporaryFolder();
        Write(folder.Path, new LoraOptions(), json => json[setting] = JsonNode.Parse(value));
        using LoraCheckpoint adapter = LoraCheckpoint.Open(folder["adapter"], Base);
        Assert.AreEqual(new LoraOptions(), adapter.Options);
    }

    // A name stands for the end of a module's name behind a point, and not for any end: "fc" is no module.
    [TestMethod]
    public void A_part_of_a_name_is_no_name_and_an_exclusion_is_read_as_a_pattern_too()
    {
        using var folder = new TemporaryFolder();
        Write(folder.Path, new LoraOptions(), static json => json["target_modules"] = new JsonArray("fc"));
        Assert.AreEqual("\"fc\"", Assert.ThrowsExactly<UnsupportedAdapterException>(() => LoraCheckpoint.Open(folder["adapter"], Base)).Found);
        Write(folder.Path, new LoraOptions { Projections = LoraProjections.AttentionOut }, static json => (json["target_modules"], json["exclude_modules"]) = (new JsonArray("c_proj"), ".*mlp.*"));
        using LoraCheckpoint adapter = LoraCheckpoint.Open(folder["adapter"], Base);
        Assert.AreEqual(LoraProjections.AttentionOut, adapter.Options.Projections);
        adapter.Dispose();
        Write(folder.Path, new LoraOptions(), static json => json["exclude_modules"] = "(unclosed");
        Assert.AreEqual("exclude_modules", Assert.ThrowsExactly<UnsupportedAdapterException>(() => LoraCheckpoint.Open(folder["adapter"], Base)).Setting);
    }

    [TestMethod]
    public void The_configuration_is_written_member_by_member()
    {
        const string Start = """{"alpha_pattern":{},"auto_mapping":null,"base_model_name_or_path":"the/base","bias":"none","fan_in_fan_out":true,"inference_mode":true,"init_lora_weights":true,"layers_pattern":null,"layers_to_transform":""";
        using var folder = new TemporaryFolder();
        Write(folder.Path, new LoraOptions { Alpha = 5 });
        string text = File.ReadAllText(folder["adapter/adapter_config.json"]);
        StringAssert.Contains(text, "\n  \"lora_alpha\": 5,");
        Assert.AreEqual(
            Start + """null,"lora_alpha":5,"lora_dropout":0,"modules_to_save":null,"peft_type":"LORA","r":8,"rank_pattern":{},"revision":null,"target_modules":["attn.c_attn"],"task_type":"CAUSAL_LM","use_dora":false,"use_rslora":false}""",
            JsonNode.Parse(text)!.ToJsonString());
        Write(folder.Path, new LoraOptions { Alpha = 2.5, Dropout = 0.25f, Rank = 2, Projections = LoraProjections.FeedForward, Layers = [2, 0], RankStabilized = true });
        Assert.AreEqual(
            Start + """[0,2],"lora_alpha":2.5,"lora_dropout":0.25,"modules_to_save":null,"peft_type":"LORA","r":2,"rank_pattern":{},"revision":null,"target_modules":["mlp.c_fc","mlp.c_proj"],"task_type":"CAUSAL_LM","use_dora":false,"use_rslora":true}""",
            JsonNode.Parse(File.ReadAllText(folder["adapter/adapter_config.json"]))!.ToJsonString());

        // 2^31 is no whole number of 32 bits any more, and is written as what it is.
        Write(folder.Path, new LoraOptions { Alpha = 2147483648.0 });
        Assert.AreEqual(2147483648.0, (double)JsonNode.Parse(File.ReadAllText(folder["adapter/adapter_config.json"]))!["lora_alpha"]!);
        using SafeTensorsFile weights = SafeTensorsFile.Open(folder["adapter/adapter_model.safetensors"]);
        Assert.AreEqual("format: pt", string.Join(", ", weights.Metadata.Select(static pair => $"{pair.Key}: {pair.Value}")));
    }

    [TestMethod]
    public void What_is_missing_is_told_with_what_to_do()
    {
        using var folder = new TemporaryFolder();
        Assert.AreEqual("folder", Assert.ThrowsExactly<ArgumentException>(() => LoraCheckpoint.Open(" ", Base)).ParamName);
        Assert.AreEqual("config", Assert.ThrowsExactly<ArgumentNullException>(() => LoraCheckpoint.Open(folder.Path, null!)).ParamName);
        AreEqual(folder["none"], "there is no such folder.");
        AreEqual(folder.Path, "it has no adapter_config.json.");
        Write(folder.Path, new LoraOptions());
        File.Delete(folder["adapter/adapter_model.safetensors"]);
        AreEqual(folder["adapter"], "it has no adapter_model.safetensors.");

        static void AreEqual(string folder, string problem) => Assert.AreEqual(
            $"'{folder}' can't be opened: {problem} Name a folder that SaveAdapter or PEFT's save_pretrained wrote.", Assert.ThrowsExactly<CheckpointNotFoundException>(() => LoraCheckpoint.Open(folder, Base)).Message);
    }

    [TestMethod]
    [DataRow("h.0.ln_1.weight")]
    [DataRow("h.0.ln_2.weight")]
    [DataRow("wte.weight")]
    [DataRow("wpe.weight")]
    [DataRow("ln_f.weight")]
    [DataRow("lm_head.weight")]
    [DataRow("score.weight")]
    [DataRow("classifier.weight")]
    [DataRow("modules_to_save.weight")]
    public void A_part_of_the_model_that_was_saved_along_is_named(string name)
    {
        UnsupportedAdapterException error = WithMore(name);
        Assert.AreEqual(
            ("base_model.model.transformer." + name, "saved along", "an adapter of the blocks' projections alone, without embeddings, LayerNorms or a head of its own"), (error.Setting, error.Found, error.Supported));
    }

    [TestMethod]
    public void Of_several_that_were_saved_along_four_are_named()
    {
        const string Prefix = "base_model.model.transformer.";
        Assert.AreEqual($"saved along with {Prefix}b.wte.weight", WithMore("a.wte.weight", "b.wte.weight").Found);
        Assert.AreEqual($"saved along with {Prefix}b.wte.weight, {Prefix}c.wte.weight, {Prefix}d.wte.weight", WithMore("a.wte.weight", "b.wte.weight", "c.wte.weight", "d.wte.weight").Found);
        Assert.AreEqual($"saved along with {Prefix}b.wte.weight, {Prefix}c.wte.weight, {Prefix}d.wte.weight, …", WithMore("a.wte.weight", "b.wte.weight", "c.wte.weight", "d.wte.weight", "e.wte.weight").Found);
    }

    [TestMethod]
    public void Tensors_of_another_base_are_told_with_both_shapes()
    {
        using var folder = new TemporaryFolder();
        Write(folder.Path, new LoraOptions());
        string file = folder["adapter/adapter_model.safetensors"];
        const string Remedy = "Use the adapter with the base that it was trained on, or train one for this base.", Prefix = "base_model.model.transformer.";
        AreEqual(Base with { EmbeddingSize = 32 }, $"Tensor '{Prefix}h.0.attn.c_attn.lora_A.weight' in '{file}': expected [8, 32] for a base of 3 layers of 32, found [8, 16] F32. {Remedy}");
        AreEqual(Base with { LayerCount = 4 }, $"Tensor '{Prefix}h.3.attn.c_attn.lora_A.weight' in '{file}': expected [8, 16] for a base of 4 layers of 16, found nothing. {Remedy}");
        AreEqual(Base with { LayerCount = 2 }, $"Tensor '{Prefix}h.2.attn.c_attn.lora_A.weight' in '{file}': expected no such tensor for a base of 2 layers of 16, found [8, 16] F32. {Remedy}");

        void AreEqual(GptConfig config, string expected) => Assert.AreEqual(expected, Assert.ThrowsExactly<TensorMismatchException>(() => LoraCheckpoint.Open(folder["adapter"], config)).Message);
    }

    [TestMethod]
    public void Questions_and_options_are_told_what_is_wrong_with_them()
    {
        using var folder = new TemporaryFolder();
        Write(folder.Path, new LoraOptions());
        using LoraCheckpoint adapter = LoraCheckpoint.Open(folder["adapter"], Base);
        StartsWith<ArgumentException>(() => adapter.Read("h.9", []), "The adapter has no tensor 'h.9'.");
        StartsWith<ArgumentException>(() => adapter.Read("h.0.attn.c_attn.lora_A.weight", new float[3]), "Tensor 'h.0.attn.c_attn.lora_A.weight' is [8, 16], 128 elements; the destination has 3.");
        Assert.AreEqual("read", Assert.ThrowsExactly<ArgumentNullException>(() => LoraCheckpoint.Write(folder["b"], Base, new(), null!)).ParamName);
        Assert.AreEqual("config", Assert.ThrowsExactly<ArgumentNullException>(() => LoraLayout.Of(null!, new())).ParamName);
        Assert.AreEqual("options", Assert.ThrowsExactly<ArgumentNullException>(() => LoraLayout.Of(Base, null!)).ParamName);
        StartsWith<ArgumentOutOfRangeException>(() => new LoraOptions { Rank = 0 }.Validate(), "Rank is 0; it must be 1 or more.");
        foreach ((double alpha, string text) in ((double, string)[])[(0, "0"), (-1, "-1"), (double.PositiveInfinity, "Infinity"), (double.NaN, "NaN")])
            StartsWith<ArgumentOutOfRangeException>(() => new LoraOptions { Alpha = alpha }.Validate(), $"Alpha is {text.Replace("Infinity", double.PositiveInfinity.ToString(), StringComparison.Ordinal)}; it must be above 0 and finite.");
        foreach (float dropout in (float[])[-0.5f, 1, float.NaN]) StartsWith<ArgumentOutOfRangeException>(() => new LoraOptions { Dropout = dropout }.Validate(), $"Dropout is {dropout}; it must be at least 0 and below 1 (0 switches it off).");
        foreach (LoraProjections projections in (LoraProjections[])[LoraProjections.None, (LoraProjections)64])
            StartsWith<ArgumentOutOfRangeException>(() => new LoraOptions { Projections = projections }.Validate(), $"Projections is {projections}; choose one or more of AttentionIn, AttentionOut, FeedForwardIn and FeedForwardOut.");
        foreach ((int[] layers, string text) in ((int[], string)[])[([], ""), ([0, -1], "0, -1"), ([1, 0, 1], "1, 0, 1")])
            StartsWith<ArgumentException>(() => new LoraOptions { Layers = layers }.Validate(), $"Layers is [{text}]; name one or more layers, from 0, each once, or set it to null for all.");
        StartsWith<ArgumentException>(() => LoraLayout.Of(Base, new LoraOptions { Layers = [0, 3] }), "Layers is [0, 3], and the model has 3 layers, 0 to 2.");
        StartsWith<ArgumentOutOfRangeException>(() => LoraLayout.Of(Base, new LoraOptions { Rank = 0 }), "Rank is 0;");
        new LoraOptions { Layers = [0, 1] }.Validate();
        LoraOptions least = new LoraOptions { Rank = 1, Alpha = double.Epsilon, Layers = [2, 0, 5] }.Validate();
        Assert.AreEqual(double.Epsilon, least.Scale);
        Assert.AreEqual(2, new LoraOptions { Rank = 4, Alpha = 8 }.Scale);
        Assert.AreEqual(4, new LoraOptions { Rank = 4, Alpha = 8, RankStabilized = true }.Scale);

        static void StartsWith<T>(Action action, string message)
            where T : Exception => StringAssert.StartsWith(Assert.ThrowsExactly<T>(action).Message, message);
    }

    // One tensor is named as in a model without its head, and the others are not: it is missing, by the name that it should have.
    [TestMethod]
    public void A_tensor_under_another_name_than_the_others_is_missing()
    {
        using var folder = new TemporaryFolder();
        Write(folder.Path, new LoraOptions());
        string file = folder["adapter/adapter_model.safetensors"];
        const string Name = "base_model.model.transformer.h.1.attn.c_attn.lora_A.weight";
        List<SafeTensorInfo> tensors;
        using (SafeTensorsFile old = SafeTensorsFile.Open(file)) tensors = [.. old.Tensors];
        SafeTensorsWriter.Write(file, [.. tensors.Select(static tensor => tensor.Name == Name ? tensor with { Name = Name.Replace("transformer.", "", StringComparison.Ordinal) } : tensor)], static (tensor, stream) => stream.Write(new byte[tensor.ByteLength]));
        var error = Assert.ThrowsExactly<TensorMismatchException>(() => LoraCheckpoint.Open(folder["adapter"], Base));
        Assert.AreEqual((Name, "nothing"), (error.TensorName, error.Found));
    }

    [TestMethod]
    public void A_full_disk_is_told_whichever_file_it_is_full_at()
    {
        using var folder = new TemporaryFolder();
        var full = new IOException("full", OperatingSystem.IsWindows() ? unchecked((int)0x80070070) : 28); // ERROR_DISK_FULL, ENOSPC
        var error = Assert.ThrowsExactly<DiskFullException>(() => LoraCheckpoint.Write(folder["adapter"], Base, new(), static (_, _) => { }, addFiles: _ => throw full));
        Assert.AreEqual(folder["adapter"], error.Path);
        Assert.AreSame(full, error.InnerException);
        Assert.IsEmpty(folder.Names);
    }

    [TestMethod]
    public void The_weight_that_a_projection_changes_has_its_name()
    {
        Assert.AreEqual("h.2.attn.c_attn.weight", LoraLayout.WeightOf(2, LoraProjections.AttentionIn));
        Assert.AreEqual("h.0.attn.c_proj.weight", LoraLayout.WeightOf(0, LoraProjections.AttentionOut));
        Assert.AreEqual("h.1.mlp.c_fc.weight", LoraLayout.WeightOf(1, LoraProjections.FeedForwardIn));
        Assert.AreEqual("h.1.mlp.c_proj.weight", LoraLayout.WeightOf(1, LoraProjections.FeedForwardOut));
        CollectionAssert.AreEqual(
            new[] { "h.1.mlp.c_fc.weight [4, 16] [64, 4]" },
            LoraLayout.TermsOf(Base, new LoraOptions { Rank = 4, Layers = [1], Projections = LoraProjections.FeedForwardIn }).Select(static term => $"{term.Weight} {term.A.ShapeText} {term.B.ShapeText}").ToArray());
    }

    [TestMethod]
    public void A_file_that_was_added_stays_with_the_adapter_and_another_hinders_the_next_one()
    {
        using var folder = new TemporaryFolder();
        LoraCheckpoint.Write(folder["adapter"], Base, new(), static (_, _) => { }, addFiles: static work => File.WriteAllText(Path.Combine(work, "README.md"), "mine"));
        Assert.AreEqual("mine", File.ReadAllText(folder["adapter/README.md"]));
        LoraCheckpoint.Write(folder["adapter"], Base, new(), static (_, _) => { });
        Assert.IsFalse(File.Exists(folder["adapter/README.md"]));
        File.WriteAllText(folder["adapter/notes"], "");
        Assert.AreEqual("notes", Assert.ThrowsExactly<FolderNotReplaceableException>(() => LoraCheckpoint.Write(folder["adapter"], Base, new(), static (_, _) => { })).EntryName);
    }

    private static void Write(string folder, LoraOptions options, Action<JsonNode>? edit = null)
    {
        string path = Path.Combine(folder, "adapter"), config = Path.Combine(path, "adapter_config.json");
        LoraCheckpoint.Write(path, Base, options, static (_, _) => { }, "the/base");
        if (edit is null) return;
        JsonNode json = JsonNode.Parse(File.ReadAllText(config))!;
        edit(json);
        File.WriteAllText(config, json.ToJsonString());
    }

    /// <summary>What opening says about an adapter with further tensors.</summary>
    private static UnsupportedAdapterException WithMore(params string[] names)
    {
        using var folder = new TemporaryFolder();
        Write(folder.Path, new LoraOptions());
        string file = folder["adapter/adapter_model.safetensors"];
        List<SafeTensorInfo> tensors;
        using (SafeTensorsFile old = SafeTensorsFile.Open(file)) tensors = [.. old.Tensors];
        SafeTensorsWriter.Write(file, [.. tensors, .. names.Select(static name => new SafeTensorInfo("base_model.model.transformer." + name, SafeTensorType.Float32, [1]))], static (tensor, stream) => stream.Write(new byte[tensor.ByteLength]));
        return Assert.ThrowsExactly<UnsupportedAdapterException>(() => LoraCheckpoint.Open(folder["adapter"], Base));
    }
}
