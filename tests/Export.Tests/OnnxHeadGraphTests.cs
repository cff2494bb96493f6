using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MLNet.Gpt.Onnx;
using MLNet.Gpt.Tests.Reference;

namespace MLNet.Gpt.Export.Tests;

/// <summary>Heads over one trunk as other programs meet them: the graph's outputs, whichever side the padding is on and however much lies in the cache.</summary>
[TestClass]
public sealed class OnnxHeadGraphTests
{
    private static readonly OnnxHead[] Heads =
    [
        OnnxHead.Classifier("class", new Weights()), OnnxHead.Reward("reward", new Scores()), OnnxHead.Value("value", new Scores()),
        OnnxHead.Embedding("mean", normalize: false), OnnxHead.Embedding("unit"), OnnxHead.Embedding("last", EmbeddingPooling.LastToken, normalize: false),
    ];

    private static GptConfig Config => ReferenceCase.Named("pre-norm").Config;

    [TestMethod]
    [DataRow(GraphOperators.OnnxRuntime)]
    [DataRow(GraphOperators.Standard)]
    public void Each_head_is_a_linear_map_or_a_mean_of_the_hidden_states_at_its_tokens(GraphOperators operators)
    {
        using var folder = new TemporaryFolder();
        using InferenceSession session = OnnxGraphTests.Open(Config, folder, new OnnxExportOptions { Heads = Heads, Operators = operators });
        int c = Config.EmbeddingSize, v = Config.VocabularySize;

        // Row 0 is padded on the left, row 1 on the right: 5 tokens at places 2 to 6, 4 at places 0 to 3. The last of row 1 is the classifier's own.
        long[] ids = [0, 0, 3, 4, 5, 6, 7, 8, 9, 10, v + 2, 0, 0, 0], mask = [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0], positions = [0, 0, 0, 1, 2, 3, 4, 0, 1, 2, 3, 0, 0, 0];
        Dictionary<string, float[]> found = Run(session, ids, mask, positions, rows: 2, past: null, out _);
        float[] hidden = found["last_hidden_state"];                                                                       // (2, 7, C)
        (int First, int Last)[] places = [(2, 6), (0, 3)];
        for (int row = 0; row < 2; row++)
        {
            double[] At(int t) => [.. hidden.AsSpan(((row * 7) + t) * c, c).ToArray().Select(static value => (double)value)];
            double[] last = At(places[row].Last), mean = [.. Enumerable.Range(0, c).Select(i => Enumerable.Range(places[row].First, places[row].Last - places[row].First + 1).Average(t => At(t)[i]))];
            for (int k = 0; k < 2; k++) Assert.AreEqual(Sum(last, i => Number("head.weight", (k * c) + i)) + Number("head.bias", k), found["heads.class"][(row * 2) + k], 1e-4, $"row {row}");
            Assert.AreEqual(Sum(last, i => Number("head.weight", i)) + Number("head.bias", 0), found["heads.reward"][row], 1e-4);
            for (int t = places[row].First; t <= places[row].Last; t++) Assert.AreEqual(Sum(At(t), i => Number("head.weight", i)) + Number("head.bias", 0), found["heads.value"][(row * 7) + t], 1e-4);
            double norm = Math.Sqrt(mean.Sum(static value => value * value));
            for (int i = 0; i < c; i++)
            {
                Assert.AreEqual(last[i], found["heads.last"][(row * c) + i], 1e-6);
                Assert.AreEqual(mean[i], found["heads.mean"][(row * c) + i], 1e-5);
                Assert.AreEqual(mean[i] / norm, found["heads.unit"][(row * c) + i], 1e-5);
            }
        }

        // Another token of the classifier's own is another vector.
        ids[10] = v + 1;
        Assert.AreNotEqual(found["heads.reward"][1], Run(session, ids, mask, positions, rows: 2, past: null, out _)["heads.reward"][1], 1e-3);
    }

    [TestMethod]
    [DataRow(GraphOperators.OnnxRuntime)]
    [DataRow(GraphOperators.Standard)]
    public void Tokens_behind_a_cache_have_the_heads_of_the_whole_row(GraphOperators operators)
    {
        using var folder = new TemporaryFolder();
        using InferenceSession session = OnnxGraphTests.Open(Config, folder, new OnnxExportOptions { Heads = Heads, Operators = operators });
        long[] ids = [3, 4, 5, 6, 7, 8, 9], ones = [1, 1, 1, 1, 1, 1, 1], positions = [0, 1, 2, 3, 4, 5, 6];
        Dictionary<string, float[]> whole = Run(session, ids, ones, positions, rows: 1, past: null, out _);
        Run(session, ids[..5], ones[..5], positions[..5], rows: 1, past: null, out Dictionary<string, float[]> cache);
        Dictionary<string, float[]> rest = Run(session, ids[5..], ones, positions[5..], rows: 1, cache, out _);
        foreach (string head in (ReadOnlySpan<string>)["heads.class", "heads.reward", "heads.last"]) AreClose(whole[head], rest[head]);
        AreClose(whole["heads.value"][5..], rest["heads.value"]);

        // A row that has ended gets padding; nothing fails, and the logits are those of a package without heads.
        Dictionary<string, float[]> ended = Run(session, [0], [1, 1, 1, 1, 1, 0], [0], rows: 1, cache, out _);
        Assert.IsTrue(ended["heads.class"].All(float.IsFinite));
        Assert.IsTrue(ended["heads.unit"].All(float.IsFinite));
    }

    [TestMethod]
    public void The_trunk_is_in_the_file_once_and_the_logits_are_the_reference_ones()
    {
        ReferenceCase reference = ReferenceCase.Named("pre-norm");
        using var folder = new TemporaryFolder();
        using InferenceSession session = OnnxGraphTests.Open(Config, folder, new OnnxExportOptions { Heads = Heads });
        foreach (ReferenceRow row in reference.Rows) OnnxGraphTests.AreClose(row.Logits, OnnxGraphTests.Run(session, Config, row.Ids, keep: null));
        ModelProto model = ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder["model.onnx"]));
        int c = Config.EmbeddingSize;
        long extra = (3 * c) + (2 * c) + 2 + (2 * (c + 1)); // the classifier's tokens, its head, two scalar heads
        Assert.AreEqual(Config.ParameterCount + extra, model.Graph.Initializer.Where(static tensor => tensor.DataType == (int)TensorProto.Types.DataType.Float && tensor.Dims.Count > 0).Sum(static tensor => tensor.RawData.Length / 4));
        CollectionAssert.AreEqual(new[] { (-1, 2), (-1, 1), (-1, -1), (-1, c), (-1, c), (-1, c) },
            Heads.Select(head => session.OutputMetadata["heads." + head.Name].Dimensions).Select(static sizes => (sizes[0], sizes[1])).ToArray());

        // Nothing of the language model reads a head.
        Assert.IsFalse(model.Graph.Node.Where(static node => !node.Name.StartsWith("heads", StringComparison.Ordinal)).Any(static node => node.Input.Any(static input => input.StartsWith("heads.", StringComparison.Ordinal))));
    }

    /// <summary>What docs/onnx-package.md says of ONNX Runtime: should it learn to leave out what nobody fetches, the page has to be changed.</summary>
    [TestMethod]
    public void Onnx_runtime_computes_heads_that_nobody_fetches()
    {
        using var folder = new TemporaryFolder();
        OnnxExporter.Write(new FormulaWeights(Config), folder.Path, new OnnxExportOptions { Heads = Heads });
        using var settings = new SessionOptions { EnableProfiling = true, ProfileOutputPathPrefix = folder["profile"], LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        using var session = new InferenceSession(folder["model.onnx"], settings);
        OnnxGraphTests.Run(session, Config, [1, 2, 3], keep: 1);
        Assert.Contains("heads.class.score_kernel_time", File.ReadAllText(session.EndProfiling()));
    }

    private static Dictionary<string, float[]> Run(InferenceSession session, long[] ids, long[] mask, long[] positions, int rows, Dictionary<string, float[]>? past, out Dictionary<string, float[]> present)
    {
        int t = ids.Length / rows, p = (mask.Length / rows) - t, h = Config.HeadCount, d = Config.HeadSize;
        var inputs = new Dictionary<string, OrtValue>
        {
            ["input_ids"] = OrtValue.CreateTensorValueFromMemory(ids, [rows, t]),
            ["attention_mask"] = OrtValue.CreateTensorValueFromMemory(mask, [rows, mask.Length / rows]),
            ["position_ids"] = OrtValue.CreateTensorValueFromMemory(positions, [rows, t]),
        };
        foreach (string name in session.InputMetadata.Keys.Where(static name => name.StartsWith("past", StringComparison.Ordinal)))
            inputs.Add(name, past is null ? OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, TensorElementType.Float, [rows, h, 0, d])
                : OrtValue.CreateTensorValueFromMemory(past[name.Replace("past_key_values", "present", StringComparison.Ordinal)], [rows, h, p, d]));
        string[] names = [.. session.OutputMetadata.Keys];
        using var options = new RunOptions();
        using IDisposableReadOnlyCollection<OrtValue> results = session.Run(options, inputs, names);
        Dictionary<string, float[]> all = names.Zip(results).ToDictionary(static pair => pair.First, static pair => pair.Second.GetTensorDataAsSpan<float>().ToArray());
        foreach (OrtValue input in inputs.Values) input.Dispose();
        present = all.Where(static pair => pair.Key.StartsWith("present", StringComparison.Ordinal)).ToDictionary();
        return all;
    }

    private static void AreClose(float[] expected, float[] found)
    {
        Assert.HasCount(expected.Length, found);
        for (int i = 0; i < found.Length; i++) Assert.AreEqual(expected[i], found[i], 1e-5f);
    }

    private static double Sum(double[] state, Func<int, float> weight) => state.Select((value, i) => value * weight(i)).Sum();

    private static float Number(string name, int i) => MathF.Sin((0.7f * i) + name.Length);

    private static void Fill(string name, Span<float> destination)
    {
        if (GptParameterLayout.Of(Config).Any(parameter => parameter.Name == name)) new FormulaWeights(Config).Read(name, destination);
        else for (int i = 0; i < destination.Length; i++) destination[i] = Number(name, i);
    }

    private sealed class Weights : IClassifierWeights
    {
        public GptConfig Config => OnnxHeadGraphTests.Config;

        public ClassifierHead Head { get; } = new() { Task = SupervisedTask.TextClassification, Labels = ["no", "yes"] };

        public void Read(string name, Span<float> destination) => Fill(name, destination);
    }

    private sealed class Scores : IRewardWeights
    {
        public GptConfig Config => OnnxHeadGraphTests.Config;

        public RewardHead Head { get; } = new();

        public void Read(string name, Span<float> destination) => Fill(name, destination);
    }
}
