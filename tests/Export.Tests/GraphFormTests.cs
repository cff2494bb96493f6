using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using MLNet.Gpt.Onnx;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Export.Tests;

/// <summary>Graphs of ONNX's basic operators, and of half-width numbers.</summary>
[TestClass]
public sealed class GraphFormTests
{
    [TestMethod]
    [DataRow("pre-norm")]
    [DataRow("post-norm")]
    [DataRow("banded")]
    public void The_standard_graph_has_onnxs_own_operators_alone_and_gives_the_reference_logits(string name)
    {
        ReferenceCase reference = ReferenceCase.Named(name);
        using var folder = new TemporaryFolder();
        using InferenceSession session = OnnxGraphTests.Open(reference.Config, folder, new OnnxExportOptions { Operators = GraphOperators.Standard });
        foreach (ReferenceRow row in reference.Rows) OnnxGraphTests.AreClose(row.Logits, OnnxGraphTests.Run(session, reference.Config, row.Ids, keep: null));
        ModelProto model = ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder["model.onnx"]));
        Assert.AreEqual(20, model.OpsetImport.Single().Version);
        Assert.IsTrue(model.Graph.Node.All(static node => node.Domain.Length == 0));
        Assert.IsFalse(model.Graph.Node.Any(static node => node.OpType == "Attention"), "Opset 20 has no Attention.");
    }

    [TestMethod]
    public void Float16_keeps_rounded_weights_and_a_half_width_cache_and_takes_and_gives_float32_logits()
    {
        ReferenceCase reference = ReferenceCase.Named("pre-norm");
        using var folder = new TemporaryFolder();
        OnnxExporter.Write(new FormulaWeights(reference.Config), folder["half"], new OnnxExportOptions { Weights = WeightFormat.Float16 });
        ModelProto model = ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder["half", "model.onnx"]));
        foreach (GptParameterInfo parameter in GptParameterLayout.Of(reference.Config))
        {
            TensorProto tensor = model.Graph.Initializer.Single(tensor => tensor.Name == parameter.Name);
            Half[] stored = MemoryMarshal.Cast<byte, Half>(tensor.RawData.Span).ToArray();
            float[] exact = new float[parameter.ElementCount];
            new FormulaWeights(reference.Config).Read(parameter.Name, exact);
            CollectionAssert.AreEqual(Array.ConvertAll(exact, static value => (Half)value), stored);
        }

        using var settings = new SessionOptions { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        using var session = new InferenceSession(folder["half", "model.onnx"], settings);
        Assert.AreEqual(Microsoft.ML.OnnxRuntime.Tensors.TensorElementType.Float16, session.InputMetadata["past_key_values.0.key"].ElementDataType);
        Assert.AreEqual(Microsoft.ML.OnnxRuntime.Tensors.TensorElementType.Float, session.OutputMetadata["logits"].ElementDataType);
        Assert.AreEqual(Microsoft.ML.OnnxRuntime.Tensors.TensorElementType.Float, session.OutputMetadata["last_hidden_state"].ElementDataType);
    }

    [TestMethod]
    [DataRow(GraphOperators.OnnxRuntime, true)]
    [DataRow(GraphOperators.Standard, false)]
    public void A_package_tells_onnxruntime_genai_its_shape_names_and_cache(GraphOperators operators, bool shared)
    {
        using var folder = new TemporaryFolder();
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["a few words"], new BytePairTrainingOptions { VocabularySize = 260 });
        var config = new GptConfig { VocabularySize = 264, ContextLength = 40, EmbeddingSize = 48, LayerCount = 3, HeadCount = 3 };
        GptCheckpoint.Write(folder["checkpoint"], new FormulaWeights(config), tokenizer);
        OnnxExporter.Export(folder["checkpoint"], folder["package"], new OnnxExportOptions { Operators = operators });
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(folder["package", "genai_config.json"]));
        JsonElement model = json.RootElement.GetProperty("model"), decoder = model.GetProperty("decoder");
        Assert.AreEqual("decoder", model.GetProperty("type").GetString());
        Assert.AreEqual((264, 40, tokenizer.EndOfTextId), (model.GetProperty("vocab_size").GetInt32(), model.GetProperty("context_length").GetInt32(), model.GetProperty("eos_token_id").GetInt32()));
        Assert.AreEqual((16, 48, 3, 3, 3), (decoder.GetProperty("head_size").GetInt32(), decoder.GetProperty("hidden_size").GetInt32(), decoder.GetProperty("num_attention_heads").GetInt32(),
            decoder.GetProperty("num_key_value_heads").GetInt32(), decoder.GetProperty("num_hidden_layers").GetInt32()));
        Assert.AreEqual(shared, json.RootElement.GetProperty("search").GetProperty("past_present_share_buffer").GetBoolean());

        // The names are the graph's.
        using var session = new InferenceSession(folder["package", decoder.GetProperty("filename").GetString()!]);
        JsonElement inputs = decoder.GetProperty("inputs"), outputs = decoder.GetProperty("outputs");
        foreach (string name in (ReadOnlySpan<string>)["input_ids", "attention_mask", "position_ids", "past_key_names", "past_value_names"])
            Assert.IsTrue(session.InputMetadata.ContainsKey(inputs.GetProperty(name).GetString()!.Replace("%d", "2", StringComparison.Ordinal)), name);
        foreach (string name in (ReadOnlySpan<string>)["logits", "present_key_names", "present_value_names"])
            Assert.IsTrue(session.OutputMetadata.ContainsKey(outputs.GetProperty(name).GetString()!.Replace("%d", "2", StringComparison.Ordinal)), name);
        using JsonDocument tokens = JsonDocument.Parse(File.ReadAllBytes(folder["package", "tokenizer_config.json"]));
        Assert.AreEqual(("GPT2Tokenizer", "<|endoftext|>"), (tokens.RootElement.GetProperty("tokenizer_class").GetString(), tokens.RootElement.GetProperty("eos_token").GetString()));
        Assert.AreEqual(40, tokens.RootElement.GetProperty("model_max_length").GetInt32());
        Assert.AreEqual(tokenizer.Hash, GptTokenizer.Load(folder["package"]).Hash);
    }

    [TestMethod]
    public void A_package_tells_onnxruntime_genai_the_models_own_begin_and_end_tokens()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["a few words"], new BytePairTrainingOptions { VocabularySize = 260 });
        GptCheckpoint.Write(folder["checkpoint"], new FormulaWeights(new GptConfig { VocabularySize = 264, ContextLength = 40, EmbeddingSize = 48, LayerCount = 1, HeadCount = 3 }), tokenizer);
        File.WriteAllText(folder["checkpoint", "generation_config.json"], """{"bos_token_id":7,"eos_token_id":[9,11]}""");
        OnnxExporter.Export(folder["checkpoint"], folder["package"]);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(folder["package", "genai_config.json"]));
        JsonElement model = json.RootElement.GetProperty("model");
        Assert.AreEqual(7, model.GetProperty("bos_token_id").GetInt32());
        CollectionAssert.AreEqual(new[] { tokenizer.EndOfTextId, 9, 11 }, model.GetProperty("eos_token_id").EnumerateArray().Select(static id => id.GetInt32()).ToArray());
        Assert.AreEqual(tokenizer.EndOfTextId, model.GetProperty("pad_token_id").GetInt32());
    }

    [TestMethod]
    public void A_package_tells_onnxruntime_genai_the_models_own_settings_for_generation()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(["a few words"], new BytePairTrainingOptions { VocabularySize = 260 });
        GptCheckpoint.Write(folder["checkpoint"], new FormulaWeights(new GptConfig { VocabularySize = 264, ContextLength = 40, EmbeddingSize = 48, LayerCount = 1, HeadCount = 3 }), tokenizer);
        JsonElement Search(string? settings)
        {
            if (settings is null) File.Delete(folder["checkpoint", "generation_config.json"]);
            else File.WriteAllText(folder["checkpoint", "generation_config.json"], settings);
            OnnxExporter.Export(folder["checkpoint"], folder["package"]);
            using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(folder["package", "genai_config.json"]));
            return json.RootElement.GetProperty("search").Clone();
        }

        JsonElement search = Search("""{"do_sample":true,"temperature":0.7,"top_k":0,"top_p":0.9,"repetition_penalty":1.2,"no_repeat_ngram_size":3}""");
        Assert.AreEqual((true, 0.7, 0, 0.9, 1.2, 3), (search.GetProperty("do_sample").GetBoolean(), search.GetProperty("temperature").GetDouble(), search.GetProperty("top_k").GetInt32(),
            search.GetProperty("top_p").GetDouble(), search.GetProperty("repetition_penalty").GetDouble(), search.GetProperty("no_repeat_ngram_size").GetInt32()));
        Assert.AreEqual((40, 1), (search.GetProperty("max_length").GetInt32(), search.GetProperty("num_beams").GetInt32()));
        search = Search("""{"do_sample":true,"top_k":null}"""); // as transformers reads it: top-k off, no temperature is 1
        Assert.AreEqual((true, 0, 1.0), (search.GetProperty("do_sample").GetBoolean(), search.GetProperty("top_k").GetInt32(), search.GetProperty("temperature").GetDouble()));
        search = Search("""{"num_beams":4,"length_penalty":0.5}""");
        Assert.AreEqual((false, 4, 0.5), (search.GetProperty("do_sample").GetBoolean(), search.GetProperty("num_beams").GetInt32(), search.GetProperty("length_penalty").GetDouble()));
        Assert.AreEqual((false, 1), (Search("{}").GetProperty("do_sample").GetBoolean(), Search(null).GetProperty("num_beams").GetInt32()));
    }

    [TestMethod]
    [DataRow(WeightFormat.Float16, 0xF800)]  // -2^15
    [DataRow(WeightFormat.BFloat16, 0xFF7F)] // the lowest finite one; 0xFF80 is -infinity
    public void What_a_query_may_not_see_gets_a_low_but_finite_bias(WeightFormat format, int bits)
    {
        using var folder = new TemporaryFolder();
        OnnxExporter.Write(new FormulaWeights(ReferenceCase.Named("pre-norm").Config), folder["package"], new OnnxExportOptions { Weights = format });
        GraphProto graph = ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder["package", "model.onnx"])).Graph;
        byte[] hidden = graph.Initializer.Single(static tensor => tensor.Name == "attention.hidden").RawData.ToByteArray();
        Assert.AreEqual(bits, BitConverter.ToUInt16(hidden));
    }

    [TestMethod]
    [DataRow(GraphOperators.OnnxRuntime, "SkipLayerNormalization")]
    [DataRow(GraphOperators.Standard, "LayerNormalization")]
    public void Each_normalization_has_the_models_epsilon(GraphOperators operators, string kind)
    {
        using var folder = new TemporaryFolder();
        GptConfig config = ReferenceCase.Named("pre-norm").Config with { LayerNormEpsilon = 0.25f };
        OnnxExporter.Write(new FormulaWeights(config), folder["package"], new OnnxExportOptions { Operators = operators });
        GraphProto graph = ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder["package", "model.onnx"])).Graph;
        NodeProto[] normalizations = [.. graph.Node.Where(static node => node.OpType.EndsWith("LayerNormalization", StringComparison.Ordinal))];
        Assert.HasCount((2 * config.LayerCount) + 1, normalizations);
        Assert.Contains(kind, normalizations.Select(static node => node.OpType));
        foreach (NodeProto node in normalizations) Assert.AreEqual(0.25f, node.Attribute.Single(static attribute => attribute.Name == "epsilon").F, node.Name);
    }

    [TestMethod]
    public void Bfloat16_rounds_to_the_nearest_and_ties_to_even()
    {
        // 1 + 2^-8 lies in the middle of 1 (0x3F80) and 1 + 2^-7 (0x3F81) and goes to the even one; 1 + 3·2^-8 in the middle of 0x3F81 and 0x3F82; a little more than the middle goes up.
        ushort[] result = new ushort[5];
        BFloat16.Round([1.00390625f, 1.01171875f, 1.00390637f, -2f, float.NegativeInfinity], result);
        CollectionAssert.AreEqual(new ushort[] { 0x3F80, 0x3F82, 0x3F81, 0xC000, 0xFF80 }, result);
    }

    [TestMethod]
    [DataRow(WeightFormat.Float32, "shared", 1)]
    [DataRow(WeightFormat.Int8, "shared", 2)]
    [DataRow(WeightFormat.Float16, null, 10)]
    [DataRow(WeightFormat.BFloat16, null, 16)]
    public void The_metadata_say_whether_past_and_present_may_share_a_buffer(WeightFormat format, string? cache, int typeOfWte)
    {
        GptConfig config = ReferenceCase.Named("pre-norm").Config with { EmbeddingSize = 32, HeadCount = 2 };
        using var folder = new TemporaryFolder();
        OnnxExporter.Write(new FormulaWeights(config), folder["package"], new OnnxExportOptions { Weights = format });
        ModelProto model = ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder["package", "model.onnx"]));
        Assert.AreEqual(cache, model.MetadataProps.SingleOrDefault(static entry => entry.Key == "mlnet.gpt.cache")?.Value);
        Assert.AreEqual(format.ToString(), model.MetadataProps.Single(static entry => entry.Key == "mlnet.gpt.weights").Value);
        Assert.AreEqual(typeOfWte, model.Graph.Initializer.Single(static tensor => tensor.Name is "wte.weight" or "wte.weight_quantized").DataType);
    }

    [TestMethod]
    [DataRow(WeightFormat.Float32, GraphOperators.OnnxRuntime, 1)]
    [DataRow(WeightFormat.Int8, GraphOperators.OnnxRuntime, 1)]
    [DataRow(WeightFormat.Float16, GraphOperators.OnnxRuntime, 10)]
    [DataRow(WeightFormat.Float32, GraphOperators.Standard, 1)]
    public void The_graph_has_room_for_adapters_beside_the_projections_that_are_named(WeightFormat format, GraphOperators operators, int typeOfNumbers)
    {
        GptConfig config = ReferenceCase.Named("pre-norm").Config with { EmbeddingSize = 32, FeedForwardSize = 128, HeadCount = 2, LayerCount = 2 };
        using var folder = new TemporaryFolder();
        OnnxExportOptions options = new() { Weights = format, Operators = operators };
        OnnxExporter.Write(new FormulaWeights(config), folder["none"], options);
        OnnxExporter.Write(new FormulaWeights(config), folder["some"], options with { AdaptableProjections = LoraProjections.AttentionOut | LoraProjections.FeedForwardIn });
        ModelProto none = ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder["none", "model.onnx"])), some = ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder["some", "model.onnx"]));
        Assert.IsFalse(none.MetadataProps.Any(static entry => entry.Key == "mlnet.gpt.adapters") || none.Graph.Input.Any(static input => input.Name.StartsWith("lora", StringComparison.Ordinal)));
        Assert.AreEqual("attn.c_proj,mlp.c_fc", some.MetadataProps.Single(static entry => entry.Key == "mlnet.gpt.adapters").Value);

        // Each is an initializer of zeros as well, so that nobody has to pass it. The widths are those of attn.c_proj (32 to 32) and mlp.c_fc (32 to 128).
        string[] added = [.. some.Graph.Input.Select(static input => input.Name).Except(none.Graph.Input.Select(static input => input.Name))];
        string[] expected = ["lora.scales", .. Enumerable.Range(0, 2).SelectMany(static layer => new[] { "attn.c_proj", "mlp.c_fc" }.SelectMany(module => new[] { $"lora.h.{layer}.{module}.A", $"lora.h.{layer}.{module}.B" }))];
        CollectionAssert.AreEqual(expected, added);
        foreach (string name in added)
        {
            TensorProto zeros = some.Graph.Initializer.Single(tensor => tensor.Name == name);
            Assert.AreEqual(typeOfNumbers, zeros.DataType);
            Assert.IsTrue(zeros.RawData.All(static value => value == 0));
            long width = name switch { "lora.scales" => 1, _ when name.EndsWith("c_fc.B", StringComparison.Ordinal) => 128, _ => 32 };
            Assert.AreEqual(width, zeros.Dims[^1], name);
        }

        Assert.AreEqual(0, some.Graph.Node.Count(static node => node.Name.Contains("c_attn.lora", StringComparison.Ordinal)));
        Assert.AreEqual(4, some.Graph.Node.Count(static node => node.Name.EndsWith(".lora.out", StringComparison.Ordinal)));
    }
}
