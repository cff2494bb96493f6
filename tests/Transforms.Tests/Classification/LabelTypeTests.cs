using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNet.Gpt.Core.Tests;

namespace MLNet.Gpt.Transforms.Tests.Classification;

[TestClass]
public sealed class LabelTypeTests
{
    private static readonly MLContext Ml = new(seed: 1);

    [TestMethod]
    public void Labels_of_every_type_that_keys_are_made_of_come_back_in_that_type_after_saving_and_loading()
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = Other("−", ",");
            ComeBack<sbyte>(-128, -1, 127);
            ComeBack<byte>(0, 7, 255);
            ComeBack<short>(-32_768, -1, 32_767);
            ComeBack<ushort>(0, 7, 65_535);
            ComeBack(int.MinValue, -1, int.MaxValue);
            ComeBack(0u, 7u, uint.MaxValue);
            ComeBack(long.MinValue, -1L, long.MaxValue);
            ComeBack(0ul, 9_223_372_036_854_775_808ul, ulong.MaxValue);
            ComeBack(-0.5f, 0.1f, 1e-45f);
            ComeBack(-0.5, 0.1, 5e-324);
            ComeBack(new DateTime(2024, 2, 29, 23, 59, 59, DateTimeKind.Utc).AddTicks(9_999_999), new DateTime(1, 1, 1, 0, 0, 0, DateTimeKind.Unspecified), new DateTime(2025, 10, 26, 2, 30, 0, DateTimeKind.Local));
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    /// <summary>A culture that writes numbers in another way; made here, since a process may know no culture but the invariant one.</summary>
    private static CultureInfo Other(string minus, string point)
    {
        var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        culture.NumberFormat.NegativeSign = minus;
        culture.NumberFormat.NumberDecimalSeparator = point;
        culture.DateTimeFormat.TimeSeparator = ".";
        return culture;
    }

    private static void ComeBack<T>(params T[] labels)
    {
        // The head has three classes, so there are three labels, in the order in which MapValueToKey meets them.
        using var folder = new TemporaryFolder();
        using GptClassifier model = GptClassifier.FromOnnx(TestModels.WriteClassifier(folder), GptDevice.Cpu);
        IDataView rows = Ml.Data.LoadFromEnumerable(labels.Select(static (label, i) => new Labelled<T> { Text = new string((char)('a' + i), 3), Label = label }));
        IDataView keyed = Ml.Transforms.Conversion.MapValueToKey("Key", "Label").Fit(rows).Transform(rows);
        LabelValues values = LabelValues.Read(keyed.Schema["Key"])!;
        var transformer = new ClassifyTextTransformer("Score", ["Text"], values, model, new ClassifyTextOptions());
        Ml.Model.Save(transformer, rows.Schema, folder["model.zip"]);

        CultureInfo.CurrentCulture = Other("~", ";");
        using var loaded = (ClassifyTextTransformer)Ml.Model.Load(folder["model.zip"], out _);
        IDataView scored = loaded.Transform(rows);
        VBuffer<T> found = default;
        scored.Schema["PredictedLabel"].Annotations.GetValue("KeyValues", ref found);
        CollectionAssert.AreEqual(labels, found.DenseValues().ToArray(), typeof(T).Name);

        IDataView named = Ml.Transforms.Conversion.MapKeyToValue("Named", "PredictedLabel").Fit(scored).Transform(scored);
        Assert.AreEqual(typeof(T), named.Schema["Named"].Type.RawType);
        uint[] keys = [.. named.GetColumn<uint>("PredictedLabel")];
        CollectionAssert.AreEqual(keys.Select(key => labels[key - 1]).ToArray(), named.GetColumn<T>("Named").ToArray(), typeof(T).Name);
    }

    private sealed class Labelled<T>
    {
        public string Text { get; set; } = "";

        public T Label { get; set; } = default!;
    }
}
