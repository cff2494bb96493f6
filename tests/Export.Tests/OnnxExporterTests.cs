using Microsoft.ML.OnnxRuntime;
using MLNet.Gpt.Onnx;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Export.Tests;

/// <summary>Files: which are written, when, and what stays when something fails.</summary>
[TestClass]
public sealed class OnnxExporterTests
{
    private static readonly GptConfig Tiny = new() { VocabularySize = 23, ContextLength = 16, EmbeddingSize = 8, LayerCount = 2, HeadCount = 2 };

    [TestMethod]
    public void Weights_up_to_the_threshold_lie_in_the_graphs_file_and_more_beside_it()
    {
        long bytes = Tiny.ParameterCount * sizeof(float);
        using var folder = new TemporaryFolder();
        OnnxExporter.Write(new FormulaWeights(Tiny), folder["within"], new OnnxExportOptions { ExternalDataThresholdBytes = bytes });
        OnnxExporter.Write(new FormulaWeights(Tiny), folder["beyond"], new OnnxExportOptions { ExternalDataThresholdBytes = bytes - 1 });
        CollectionAssert.AreEqual(new[] { "config.json", "model.onnx" }, TemporaryFolder.NamesIn(folder["within"]));
        CollectionAssert.AreEqual(new[] { "config.json", "model.onnx", "model.onnx.data" }, TemporaryFolder.NamesIn(folder["beyond"]));
        Assert.IsGreaterThan(bytes, new FileInfo(folder["within", "model.onnx"]).Length);
        Assert.IsGreaterThanOrEqualTo(bytes, new FileInfo(folder["beyond", "model.onnx.data"]).Length);
    }

    [TestMethod]
    public void Weights_beside_the_graph_begin_on_page_boundaries_do_not_overlap_and_give_the_same_logits()
    {
        ReferenceCase reference = ReferenceCase.Named("pre-norm");
        using var folder = new TemporaryFolder();
        using InferenceSession session = OnnxGraphTests.Open(reference.Config, folder, new OnnxExportOptions { ExternalDataThresholdBytes = 0 });
        OnnxGraphTests.AreClose(reference.Rows[0].Logits, OnnxGraphTests.Run(session, reference.Config, reference.Rows[0].Ids, keep: null));

        ModelProto model = ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder["model.onnx"]));
        long end = 0;
        foreach (TensorProto tensor in model.Graph.Initializer.Where(static tensor => tensor.DataLocation == TensorProto.Types.DataLocation.External))
        {
            Dictionary<string, string> entries = tensor.ExternalData.ToDictionary(static entry => entry.Key, static entry => entry.Value);
            long offset = long.Parse(entries["offset"], System.Globalization.CultureInfo.InvariantCulture);
            Assert.AreEqual("model.onnx.data", entries["location"]);
            Assert.AreEqual(0, offset % 65_536);
            Assert.IsGreaterThanOrEqualTo(end, offset);
            end = offset + long.Parse(entries["length"], System.Globalization.CultureInfo.InvariantCulture);
        }

        Assert.AreEqual(end, new FileInfo(folder["model.onnx.data"]).Length);
    }

    [TestMethod]
    [DataRow(0L, DisplayName = "weights beside the graph")]
    [DataRow(1_500_000_000L, DisplayName = "weights in the graph's file")]
    public void Each_weight_is_read_once_and_one_at_a_time_is_in_memory(long threshold)
    {
        // The largest weight has 4,000 x 256 x 4 = 4.1 MB, all 2.6 million parameters 10.5 MB. Graph, buffers and JSON get 1.5 MB, and the gaps between
        // weights beside the graph up to 64 KiB each.
        var config = new GptConfig { VocabularySize = 4_000, ContextLength = 64, EmbeddingSize = 256, LayerCount = 2, HeadCount = 4 };
        var weights = new FormulaWeights(config);
        using var folder = new TemporaryFolder();
        var options = new OnnxExportOptions { ExternalDataThresholdBytes = threshold };
        OnnxExporter.Write(new FormulaWeights(Tiny), folder["first"], options);
        long before = GC.GetAllocatedBytesForCurrentThread();
        OnnxExporter.Write(weights, folder["second"], options);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.IsGreaterThan(10_000_000, config.ParameterCount * sizeof(float));
        Assert.IsLessThan((4_000 * 256 * 4) + 1_500_000 + (threshold == 0 ? weights.Reads.Count * 65_536 : 0), allocated);
        Assert.HasCount(GptParameterLayout.Of(config).Count, weights.Reads);
        Assert.IsTrue(weights.Reads.Values.All(static count => count == 1));
    }

    [TestMethod]
    public void Writing_again_leaves_no_old_weights_behind_and_other_files_alone()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["tokenizer.json"], "{}");
        OnnxExporter.Write(new FormulaWeights(Tiny), folder.Path, new OnnxExportOptions { ExternalDataThresholdBytes = 0 });
        OnnxExporter.Write(new FormulaWeights(Tiny), folder.Path);
        CollectionAssert.AreEqual(new[] { "config.json", "model.onnx", "tokenizer.json" }, TemporaryFolder.NamesIn(folder.Path));
    }

    [TestMethod]
    [DataRow(0L, DisplayName = "weights beside the graph")]
    [DataRow(1_500_000_000L, DisplayName = "weights in the graph's file")]
    public void Weights_that_can_not_be_read_leave_the_old_package_as_it_was(long threshold)
    {
        using var folder = new TemporaryFolder();
        var options = new OnnxExportOptions { ExternalDataThresholdBytes = threshold };
        OnnxExporter.Write(new FormulaWeights(Tiny), folder.Path, options);
        Dictionary<string, byte[]> old = TemporaryFolder.NamesIn(folder.Path).ToDictionary(static name => name, name => File.ReadAllBytes(folder[name]));
        Assert.ThrowsExactly<InvalidDataException>(() => OnnxExporter.Write(new BrokenWeights(Tiny), folder.Path, options));
        CollectionAssert.AreEqual(old.Keys.ToArray(), TemporaryFolder.NamesIn(folder.Path));
        foreach ((string name, byte[] bytes) in old) CollectionAssert.AreEqual(bytes, File.ReadAllBytes(folder[name]));
    }

    [TestMethod]
    [DataRow(-1L)]
    [DataRow(2_000_000_001L)]
    public void A_threshold_outside_its_range_is_refused(long threshold)
    {
        using var folder = new TemporaryFolder();
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => OnnxExporter.Write(new FormulaWeights(Tiny), folder.Path, new OnnxExportOptions { ExternalDataThresholdBytes = threshold }));
        Assert.Contains(threshold.ToString(System.Globalization.CultureInfo.InvariantCulture), error.Message);
        Assert.IsEmpty(TemporaryFolder.NamesIn(folder.Path));
    }

    [TestMethod]
    public void A_configuration_that_is_not_valid_is_refused()
    {
        using var folder = new TemporaryFolder();
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => OnnxExporter.Write(new FormulaWeights(Tiny with { HeadCount = 3 }), folder.Path));
        Assert.IsEmpty(TemporaryFolder.NamesIn(folder.Path));
    }

    [TestMethod]
    public void A_folder_that_can_not_be_made_is_an_error_that_names_it()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["file"], "");
        var error = Assert.ThrowsExactly<FolderNotWritableException>(() => OnnxExporter.Write(new FormulaWeights(Tiny), folder["file", "package"]));
        Assert.Contains("package", error.Path);
    }

    [TestMethod]
    public void A_checkpoint_becomes_a_package_with_its_tokenizer_and_settings()
    {
        ReferenceCase reference = ReferenceCase.Named("pre-norm");
        using var folder = new TemporaryFolder();
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["hello world"]);
        GptCheckpoint.Write(folder["checkpoint"], new FormulaWeights(reference.Config), tokenizer);
        OnnxExporter.Export(folder["checkpoint"], folder["package"]);

        CollectionAssert.AreEqual(
            TemporaryFolder.NamesIn(folder["checkpoint"]).Where(static name => name != "model.safetensors").Append("model.onnx").Append("genai_config.json").Order(StringComparer.Ordinal).ToArray(),
            TemporaryFolder.NamesIn(folder["package"]));
        Assert.AreEqual(tokenizer.Hash, GptTokenizer.Load(folder["package"]).Hash);
        using var settings = new SessionOptions { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        using var session = new InferenceSession(folder["package", "model.onnx"], settings);
        Assert.AreEqual(tokenizer.Hash, session.ModelMetadata.CustomMetadataMap[OnnxPackageLayout.TokenizerHashKey]);
        Assert.Contains($"\"eos_token_id\": {tokenizer.EndOfTextId}", File.ReadAllText(folder["package", "config.json"]));
        OnnxGraphTests.AreClose(reference.Rows[0].Logits, OnnxGraphTests.Run(session, reference.Config, reference.Rows[0].Ids, keep: null));
    }

    [TestMethod]
    public void A_damaged_checkpoint_leaves_the_old_package_as_it_was()
    {
        using var folder = new TemporaryFolder();
        GptCheckpoint.Write(folder["checkpoint"], new FormulaWeights(Tiny));
        OnnxExporter.Export(folder["checkpoint"], folder["package"]);
        byte[] old = File.ReadAllBytes(folder["package", "model.onnx"]);
        using (FileStream weights = File.OpenWrite(folder["checkpoint", "model.safetensors"])) weights.SetLength(weights.Length / 2);
        Assert.ThrowsExactly<CorruptFileException>(() => OnnxExporter.Export(folder["checkpoint"], folder["package"]));
        CollectionAssert.AreEqual(old, File.ReadAllBytes(folder["package", "model.onnx"]));
        Assert.ThrowsExactly<CheckpointNotFoundException>(() => OnnxExporter.Export(folder["nowhere"], folder["package"]));
    }

    [TestMethod]
    public void A_cancelled_export_leaves_the_old_files_as_they_were_and_nothing_beside_them()
    {
        using var folder = new TemporaryFolder();
        GptCheckpoint.Write(folder["checkpoint"], new FormulaWeights(Tiny with { VocabularySize = 257 }), GptTokenizer.TrainBytePairEncoding(["a"], new() { VocabularySize = 257 }));
        OnnxExporter.Export(folder["checkpoint"], folder["package"]);
        byte[] old = File.ReadAllBytes(folder["package", "model.onnx"]);
        string[] before = TemporaryFolder.NamesIn(folder.Path);
        var cancelled = new CancellationToken(canceled: true);
        Assert.ThrowsExactly<OperationCanceledException>(() => OnnxExporter.Export(folder["checkpoint"], folder["package"], cancellationToken: cancelled));
        Assert.ThrowsExactly<OperationCanceledException>(() => OnnxExporter.ExportWithAdapters(folder["checkpoint"], new Dictionary<string, string>(), folder["new"], cancellationToken: cancelled));
        Assert.ThrowsExactly<OperationCanceledException>(() => GgufExporter.Export(folder["checkpoint"], folder["new.gguf"], cancellationToken: cancelled));
        CollectionAssert.AreEqual(old, File.ReadAllBytes(folder["package", "model.onnx"]));
        CollectionAssert.AreEqual(before, TemporaryFolder.NamesIn(folder.Path));
    }

    [TestMethod]
    public void A_folder_that_holds_something_else_is_not_replaced()
    {
        using var folder = new TemporaryFolder();
        GptCheckpoint.Write(folder["checkpoint"], new FormulaWeights(Tiny));
        Assert.AreEqual("model.safetensors", Assert.ThrowsExactly<FolderNotReplaceableException>(() => OnnxExporter.Export(folder["checkpoint"], folder["checkpoint"])).EntryName);
        Assert.IsTrue(File.Exists(folder["checkpoint", "model.safetensors"]));
    }

    private sealed class BrokenWeights(GptConfig config) : IGptWeights
    {
        private readonly FormulaWeights weights = new(config);

        public GptConfig Config => config;

        public void Read(string name, Span<float> destination)
        {
            if (name == "h.1.mlp.c_fc.weight") throw new InvalidDataException("The disk is gone.");
            weights.Read(name, destination);
        }
    }
}
