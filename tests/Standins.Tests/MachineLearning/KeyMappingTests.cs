using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;

namespace MLNet.Gpt.Standins.Tests.MachineLearning;

[TestClass]
public sealed class KeyMappingTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class Animal
    {
        public string Kind { get; set; } = "";

        [VectorType(2)] public float[] Score { get; set; } = [];
    }

    private sealed class Answer
    {
        public string Back { get; set; } = "";
    }

    private IDataView Animals(params string[] kinds) => _ml.Data.LoadFromEnumerable(kinds.Select(kind => new Animal { Kind = kind, Score = [0.75f, 0.25f] }));

    private static string[] KeyValues(IDataView data, string column)
    {
        VBuffer<ReadOnlyMemory<char>> values = default;
        data.Schema[column].GetKeyValues(ref values);
        return [.. values.DenseValues().Select(value => value.ToString())];
    }

    [TestMethod]
    public void Keys_come_in_the_order_of_occurrence_and_what_is_empty_or_unknown_has_none()
    {
        IDataView animals = Animals("dog", "cat", "", "dog", "ant");
        var model = _ml.Transforms.Conversion.MapValueToKey("Key", "Kind").Fit(animals);
        IDataView keys = model.Transform(animals);
        Assert.AreEqual(new KeyDataViewType(typeof(uint), 3), keys.Schema["Key"].Type);
        CollectionAssert.AreEqual(new[] { "dog", "cat", "ant" }, KeyValues(keys, "Key"));
        CollectionAssert.AreEqual(new uint[] { 1, 2, 0, 1, 3 }, keys.GetColumn<uint>("Key").ToArray());
        CollectionAssert.AreEqual(new uint[] { 0, 3 }, model.Transform(Animals("eel", "ant")).GetColumn<uint>("Key").ToArray());
    }

    [TestMethod]
    public void Keys_can_be_sorted_limited_or_given()
    {
        IDataView animals = Animals("dog", "cat", "ant");
        CollectionAssert.AreEqual(
            new[] { "ant", "cat", "dog" },
            KeyValues(_ml.Transforms.Conversion.MapValueToKey("Kind", keyOrdinality: ValueToKeyMappingEstimator.KeyOrdinality.ByValue).Fit(animals).Transform(animals), "Kind"));
        CollectionAssert.AreEqual(
            new[] { "dog", "cat" }, KeyValues(_ml.Transforms.Conversion.MapValueToKey("Kind", maximumNumberOfKeys: 2).Fit(animals).Transform(animals), "Kind"));
        IDataView given = _ml.Transforms.SelectColumns("Kind").Fit(animals).Transform(Animals("fox", "cat"));
        CollectionAssert.AreEqual(
            new uint[] { 0, 2, 0 }, _ml.Transforms.Conversion.MapValueToKey("Kind", keyData: given).Fit(animals).Transform(animals).GetColumn<uint>("Kind").ToArray());
    }

    [TestMethod]
    public void Numbers_have_keys_too()
    {
        IDataView data = _ml.Data.LoadFromEnumerable(NumberRow.Many(3));
        IDataView keys = _ml.Transforms.Conversion.MapValueToKey("Key", "Number").Append(_ml.Transforms.Conversion.MapKeyToValue("Back", "Key")).Fit(data).Transform(data);
        CollectionAssert.AreEqual(new uint[] { 1, 2, 3 }, keys.GetColumn<uint>("Key").ToArray());
        CollectionAssert.AreEqual(new[] { 0, 1, 2 }, keys.GetColumn<int>("Back").ToArray());
    }

    [TestMethod]
    public void A_chain_maps_to_keys_and_back_after_saving_and_loading_too()
    {
        IDataView animals = Animals("dog", "cat");
        var chain = _ml.Transforms.Conversion.MapValueToKey("Key", "Kind").Append(_ml.Transforms.Conversion.MapKeyToValue("Back", "Key")).Fit(animals);
        using var stream = new MemoryStream();
        _ml.Model.Save(chain, animals.Schema, stream);
        stream.Position = 0;
        ITransformer loaded = _ml.Model.Load(stream, out _);
        using var engine = _ml.Model.CreatePredictionEngine<Animal, Answer>(loaded);
        Assert.AreEqual("cat", engine.Predict(new Animal { Kind = "cat", Score = [1, 0] }).Back);
        Assert.AreEqual("", engine.Predict(new Animal { Kind = "eel", Score = [1, 0] }).Back);
    }

    [TestMethod]
    public void Only_keys_with_values_map_back()
    {
        IDataView animals = Animals("dog");
        Assert.ThrowsExactly<InvalidOperationException>(() => _ml.Transforms.Conversion.MapKeyToValue("Kind").Fit(animals));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _ml.Transforms.Conversion.MapValueToKey("Key", "Nothing").Fit(animals));
    }

    [TestMethod]
    public void Cross_validation_tests_each_row_once_on_a_model_that_has_not_seen_it()
    {
        // The "model" maps labels to keys; it knows nothing that its training part lacks. Scores always favour the first class.
        IDataView animals = Animals([.. Enumerable.Range(0, 300).Select(i => i % 3 == 0 ? "cat" : "dog")]);
        var estimator = _ml.Transforms.Conversion.MapValueToKey("Label", "Kind", keyOrdinality: ValueToKeyMappingEstimator.KeyOrdinality.ByValue)
            .Append(_ml.Transforms.CopyColumns("PredictedLabel", "Label"));
        var folds = _ml.MulticlassClassification.CrossValidate(animals, estimator, numberOfFolds: 3);
        CollectionAssert.AreEqual(new[] { 0, 1, 2 }, folds.Select(fold => fold.Fold).ToArray());
        string[] tested = [.. folds.SelectMany(fold => fold.ScoredHoldOutSet.GetColumn<string>("Kind"))];
        CollectionAssert.AreEquivalent(animals.GetColumn<string>("Kind").ToArray(), tested);
        foreach (var fold in folds)
        {
            // "cat" sorts first and gets 0.75, so that a cat is right and a dog is wrong.
            string[] kinds = [.. fold.ScoredHoldOutSet.GetColumn<string>("Kind")];
            Assert.AreEqual(kinds.Count(kind => kind == "cat") / (double)kinds.Length, fold.Metrics.MicroAccuracy, 1e-12);
            CollectionAssert.AreEqual(kinds, fold.Model.Transform(fold.ScoredHoldOutSet).GetColumn<string>("Kind").ToArray());
        }
    }
}
