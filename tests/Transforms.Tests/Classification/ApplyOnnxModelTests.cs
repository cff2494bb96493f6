using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Classification;

/// <summary>ML.NET's own ApplyOnnxModel runs a package of a classifier: whoever has token ids needs nothing of this library.</summary>
[TestClass]
public sealed class ApplyOnnxModelTests
{
    [TestMethod]
    public void ML_NETs_own_transformer_gives_the_same_logits()
    {
        using var folder = new TemporaryFolder();
        string package = TestModels.WriteClassifier(folder);
        long[][] ids = [[1, 2, 3, 4, 5, 6], [9, 8, 7, 1, 1, 1]];
        int[] lengths = [6, 3];
        Row[] rows = [.. ids.Select((row, i) => new Row { Ids = row, Mask = [.. Enumerable.Range(0, 6).Select(at => at < lengths[i] ? 1L : 0L)] })];
        var ml = new MLContext();
        IDataView data = ml.Data.LoadFromEnumerable(rows);
        ITransformer official = ml.Transforms.ApplyOnnxModel(["logits"], ["input_ids", "attention_mask"], Path.Combine(package, "model.onnx"),
            new Dictionary<string, int[]> { ["input_ids"] = [1, 6], ["attention_mask"] = [1, 6] }, gpuDeviceId: null, fallbackToCpu: false, recursionLimit: 100).Fit(data);
        float[] found = [.. ml.Data.CreateEnumerable<Scored>(official.Transform(data), reuseRowObject: false).SelectMany(static row => row.Logits)];

        using OnnxTextClassifier own = OnnxTextClassifier.Load(package, GptDevice.Cpu);
        float[] expected = new float[6];
        own.Run([.. ids.SelectMany(static row => row).Select(static id => (int)id)], lengths, expected);
        Assert.HasCount(6, found);
        for (int i = 0; i < 6; i++) Assert.AreEqual(expected[i], found[i], 1e-5f * MathF.Max(1, MathF.Abs(expected[i])));
        (official as IDisposable)?.Dispose();
    }

    private sealed class Row
    {
        [VectorType(6), ColumnName("input_ids")]
        public long[] Ids { get; set; } = [];

        [VectorType(6), ColumnName("attention_mask")]
        public long[] Mask { get; set; } = [];
    }

    private sealed class Scored
    {
        [VectorType(3), ColumnName("logits")]
        public float[] Logits { get; set; } = [];
    }
}
