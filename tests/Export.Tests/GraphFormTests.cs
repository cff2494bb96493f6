using System.Runtime.InteropServices;
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
    public void Bfloat16_rounds_to_the_nearest_and_ties_to_even()
    {
        // 1 + 2^-8 lies in the middle of 1 (0x3F80) and 1 + 2^-7 (0x3F81) and goes to the even one; 1 + 3·2^-8 in the middle of 0x3F81 and 0x3F82; a little more than the middle goes up.
        ushort[] result = new ushort[5];
        FloatWeight.RoundToBFloat16([1.00390625f, 1.01171875f, 1.00390637f, -2f, float.NegativeInfinity], result);
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
}
