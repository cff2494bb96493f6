using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MLNet.Gpt.Onnx;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Export.Tests;

/// <summary>The written graph, read back as a protocol buffer and run by ONNX Runtime without the engine of MLNet.Gpt.Transforms.</summary>
[TestClass]
public sealed class OnnxGraphTests
{
    [TestMethod]
    public void Inputs_and_outputs_are_those_of_optimum_with_open_batch_and_lengths()
    {
        ReferenceCase reference = ReferenceCase.Named("post-norm");
        using var folder = new TemporaryFolder();
        using InferenceSession session = Open(reference.Config, folder);

        // V 61, L 2, H 2, D 16.
        CollectionAssert.AreEqual(
            new[]
            {
                "attention_mask: Int64 (-1, -1)", "input_ids: Int64 (-1, -1)",
                "past_key_values.0.key: Float (-1, 2, -1, 16)", "past_key_values.0.value: Float (-1, 2, -1, 16)",
                "past_key_values.1.key: Float (-1, 2, -1, 16)", "past_key_values.1.value: Float (-1, 2, -1, 16)",
                "position_ids: Int64 (-1, -1)",
            },
            Describe(session.InputMetadata));
        CollectionAssert.AreEqual(
            new[]
            {
                "last_hidden_state: Float (-1, -1, 32)", "logits: Float (-1, -1, 61)",
                "present.0.key: Float (-1, 2, -1, 16)", "present.0.value: Float (-1, 2, -1, 16)",
                "present.1.key: Float (-1, 2, -1, 16)", "present.1.value: Float (-1, 2, -1, 16)",
            },
            Describe(session.OutputMetadata));
        CollectionAssert.AreEqual(new[] { "num_logits_to_keep: Int64 ()" }, Describe(session.OverridableInitializerMetadata));
    }

    [TestMethod]
    public void A_caller_that_knows_optimums_inputs_alone_gets_the_logits_of_all_positions()
    {
        ReferenceCase reference = ReferenceCase.Named("banded");
        using var folder = new TemporaryFolder();
        using InferenceSession session = Open(reference.Config, folder);
        ReferenceRow row = reference.Rows[0];
        float[] logits = Run(session, reference.Config, row.Ids, keep: null);
        AreClose(row.Logits, logits);
    }

    [TestMethod]
    [DataRow(1, 1)]
    [DataRow(3, 3)]
    [DataRow(14, 14)]
    [DataRow(20, 14, DisplayName = "More than there are")]
    [DataRow(0, 14, DisplayName = "0 means all")]
    [DataRow(-3, 11, DisplayName = "All but the first three")]
    [DataRow(-int.MaxValue, 0, DisplayName = "None")]
    public void The_logits_of_as_many_last_positions_are_computed_as_asked_for(int keep, int expected)
    {
        ReferenceCase reference = ReferenceCase.Named("pre-norm");
        using var folder = new TemporaryFolder();
        using InferenceSession session = Open(reference.Config, folder);
        ReferenceRow row = reference.Rows[0];
        float[] logits = Run(session, reference.Config, row.Ids, keep);
        AreClose(row.Logits.AsSpan((14 - expected) * 97), logits);
    }

    [TestMethod]
    public void The_tied_head_and_every_other_weight_are_in_the_file_once()
    {
        GptConfig config = ReferenceCase.Named("pre-norm").Config;
        using var folder = new TemporaryFolder();
        OnnxExporter.Write(new FormulaWeights(config), folder.Path);
        ModelProto model = ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder[OnnxPackageLayout.ModelFile]));
        Dictionary<string, TensorProto> initializers = model.Graph.Initializer.ToDictionary(static tensor => tensor.Name);
        foreach (GptParameterInfo parameter in GptParameterLayout.Of(config))
        {
            CollectionAssert.AreEqual(parameter.Shape.ToArray(), initializers[parameter.Name].Dims.ToArray());
            Assert.AreEqual(parameter.ElementCount * 4, initializers[parameter.Name].RawData.Length);
        }

        // What is not a weight is a handful of numbers.
        Assert.AreEqual(config.ParameterCount, initializers.Values.Where(static tensor => tensor.DataType == (int)TensorProto.Types.DataType.Float && tensor.Dims.Count > 0).Sum(static tensor => tensor.RawData.Length / 4));
        Assert.IsLessThan(200, initializers.Values.Where(static tensor => tensor.DataType != (int)TensorProto.Types.DataType.Float).Sum(static tensor => tensor.RawData.Length));
    }

    [TestMethod]
    public void The_metadata_hold_version_configuration_and_tokenizer()
    {
        GptConfig config = ReferenceCase.Named("banded").Config;
        using var folder = new TemporaryFolder();
        OnnxExporter.Write(new FormulaWeights(config), folder.Path, new OnnxExportOptions { TokenizerHash = "c0ffee", EndOfTextId = 7 });
        using var session = new InferenceSession(folder[OnnxPackageLayout.ModelFile]);
        Dictionary<string, string> metadata = session.ModelMetadata.CustomMetadataMap;
        Assert.AreEqual("1", metadata["mlnet.gpt.format_version"]);
        Assert.AreEqual("c0ffee", metadata["mlnet.gpt.tokenizer_hash"]);
        Assert.AreEqual(config, GptConfigJson.Parse(metadata["mlnet.gpt.config"], "metadata"));
        Assert.AreEqual(config, GptConfigJson.Read(folder[OnnxPackageLayout.ConfigFile]));
        Assert.Contains("\"eos_token_id\": 7", File.ReadAllText(folder[OnnxPackageLayout.ConfigFile]));
        Assert.AreEqual("MLNet.Gpt", session.ModelMetadata.ProducerName);
    }

    [TestMethod]
    public void A_band_as_wide_as_the_context_needs_no_mask_of_its_own()
    {
        GptConfig config = ReferenceCase.Named("banded").Config with { AttentionBandWidth = 40 };
        using var folder = new TemporaryFolder();
        OnnxExporter.Write(new FormulaWeights(config), folder.Path);
        ModelProto model = ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder[OnnxPackageLayout.ModelFile]));
        Assert.AreEqual(1, model.Graph.Node.Count(static node => node.OpType == "Where"));
    }

    [TestMethod]
    public void Every_value_is_made_before_it_is_used_and_once()
    {
        foreach (ReferenceCase reference in ReferenceCase.All)
        {
            GraphBuilder graph = GptGraph.Build(reference.Config, new OnnxExportOptions());
            var known = new HashSet<string>(graph.Graph.Input.Select(static input => input.Name)) { "" };
            known.UnionWith(graph.Graph.Initializer.Select(static tensor => tensor.Name));
            known.UnionWith(graph.Weights.Select(static weight => weight.Name));
            foreach (NodeProto node in graph.Graph.Node)
            {
                foreach (string input in node.Input) Assert.Contains(input, known, $"{node.Name} uses '{input}'.");
                foreach (string output in node.Output) Assert.IsTrue(known.Add(output) || output.Length == 0, $"{node.Name} makes '{output}' again.");
            }

            Assert.HasCount(graph.Graph.Node.Count, graph.Graph.Node.Select(static node => node.Name).Distinct());
            foreach (ValueInfoProto output in graph.Graph.Output) Assert.Contains(output.Name, known);
        }
    }

    internal static InferenceSession Open(GptConfig config, TemporaryFolder folder, OnnxExportOptions? options = null)
    {
        OnnxExporter.Write(new FormulaWeights(config), folder.Path, options);
        using var settings = new SessionOptions { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        return new InferenceSession(folder[OnnxPackageLayout.ModelFile], settings);
    }

    internal static float[] Run(InferenceSession session, GptConfig config, int[] ids, long? keep)
    {
        int n = ids.Length;
        var inputs = new Dictionary<string, OrtValue>
        {
            ["input_ids"] = OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(ids, static id => (long)id), [1, n]),
            ["attention_mask"] = OrtValue.CreateTensorValueFromMemory(Enumerable.Repeat(1L, n).ToArray(), [1, n]),
            ["position_ids"] = OrtValue.CreateTensorValueFromMemory(Enumerable.Range(0, n).Select(static i => (long)i).ToArray(), [1, n]),
        };
        if (keep is { } count) inputs["num_logits_to_keep"] = OrtValue.CreateTensorValueFromMemory([count], []);
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            foreach (string part in (ReadOnlySpan<string>)["key", "value"])
            {
                inputs[$"past_key_values.{layer}.{part}"] =
                    OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, TensorElementType.Float, [1, config.HeadCount, 0, config.HeadSize]);
            }
        }

        using var options = new RunOptions();
        using IDisposableReadOnlyCollection<OrtValue> outputs = session.Run(options, inputs, ["logits"]);
        foreach (OrtValue value in inputs.Values) value.Dispose();
        return outputs[0].GetTensorDataAsSpan<float>().ToArray();
    }

    /// <summary>To 2e-6 of the largest logit: some sixteen float32 roundings (2^-24).</summary>
    internal static void AreClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.AreEqual(expected.Length, actual.Length);
        float largest = 0, difference = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            largest = Math.Max(largest, Math.Abs(expected[i]));
            difference = Math.Max(difference, float.IsFinite(actual[i]) ? Math.Abs(expected[i] - actual[i]) : float.PositiveInfinity);
        }

        Assert.IsLessThanOrEqualTo(2e-6f * largest, difference, $"The largest difference is {difference}, the largest logit {largest}.");
    }

    private static string[] Describe(IReadOnlyDictionary<string, NodeMetadata> values) =>
        [.. values.Select(static value => $"{value.Key}: {value.Value.ElementDataType} ({string.Join(", ", value.Value.Dimensions)})").Order(StringComparer.Ordinal)];
}
