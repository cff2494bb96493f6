using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt.Standins.Tests.MachineLearning;

[TestClass]
public sealed class EvaluationTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class Scored
    {
        [KeyType(3)] public uint Label { get; set; } // from 0 in an object, from 1 in a column

        [KeyType(3)] public uint PredictedLabel { get; set; }

        [VectorType(3)] public float[] Score { get; set; } = [];
    }

    private sealed class Rated
    {
        public float Label { get; set; }

        public float Score { get; set; }
    }

    private static Scored Row(uint label, params float[] score) => new() { Label = label, Score = score };

    private MulticlassClassificationMetrics Evaluate(int topK, params Scored[] rows) =>
        _ml.MulticlassClassification.Evaluate(_ml.Data.LoadFromEnumerable(rows), topKPredictionCount: topK);

    [TestMethod]
    public void Accuracies_and_log_loss_are_what_they_are_by_hand()
    {
        MulticlassClassificationMetrics metrics = Evaluate(
            3,
            Row(0, 0.5f, 0.25f, 0.25f),  // right
            Row(0, 0.25f, 0.5f, 0.25f),  // wrong; rank 1, since of the equal 0.25 the first comes first
            Row(0, 0.5f, 0.25f, 0.25f),  // right
            Row(1, 0.25f, 0.25f, 0.5f)); // wrong; rank 2, since 2 and then 0 come first

        Assert.AreEqual(0.5, metrics.MicroAccuracy, 1e-12);         // 2 of 4
        Assert.AreEqual(1 / 3d, metrics.MacroAccuracy, 1e-12);      // (2/3 + 0/1) / 2: the class without rows does not count
        Assert.AreEqual(1.5 * Math.Log(2), metrics.LogLoss, 1e-12); // (ln 2 + ln 4 + ln 2 + ln 4) / 4
        Assert.AreEqual(4 / 3d * Math.Log(2), metrics.PerClassLogLoss[0], 1e-12);
        Assert.AreEqual(2 * Math.Log(2), metrics.PerClassLogLoss[1], 1e-12);
        Assert.AreEqual(0, metrics.PerClassLogLoss[2]);
        double entropy = -(0.75 * Math.Log(0.75) + 0.25 * Math.Log(0.25));
        Assert.AreEqual((entropy - 1.5 * Math.Log(2)) / entropy, metrics.LogLossReduction, 1e-12);
        CollectionAssert.AreEqual(new[] { 0.5, 0.75, 1 }, metrics.TopKAccuracyForAllK.ToArray());
        Assert.AreEqual((3, 1d), (metrics.TopKPredictionCount, metrics.TopKAccuracy));
    }

    [TestMethod]
    public void The_log_loss_of_an_impossible_event_is_finite()
    {
        Assert.AreEqual(-Math.Log(1e-15f), Evaluate(0, Row(0, 0, 1, 0)).LogLoss, 1e-12);
        Assert.AreEqual(0, Evaluate(0, Row(0, 2, 0, 0)).LogLoss); // what is above 1 counts as 1
    }

    [TestMethod]
    public void Rows_without_label_or_without_finite_scores_do_not_count()
    {
        MulticlassClassificationMetrics metrics = Evaluate(0, Row(0, 1, 0, 0), Row(3, 1, 0, 0), Row(0, float.NaN, 0, 0), Row(0, float.PositiveInfinity, 0, 0));
        Assert.AreEqual((1d, 1d), (metrics.MicroAccuracy, metrics.ConfusionMatrix.Counts.Sum(row => row.Sum())));
        Assert.AreEqual((0, 0d), (metrics.TopKPredictionCount, metrics.TopKAccuracy));
    }

    [TestMethod]
    public void The_confusion_matrix_counts_truth_by_prediction()
    {
        ConfusionMatrix matrix = Evaluate(0, Row(0, 0.6f, 0.4f, 0), Row(0, 0, 1, 0), Row(1, 0, 1, 0), Row(1, 0, 1, 0)).ConfusionMatrix;
        Assert.AreEqual(3, matrix.NumberOfClasses);
        CollectionAssert.AreEqual(new double[] { 1, 1, 0 }, matrix.Counts[0].ToArray());
        CollectionAssert.AreEqual(new double[] { 0, 2, 0 }, matrix.Counts[1].ToArray());
        Assert.AreEqual(1, matrix.GetCountForClassPair(predictedClassIndicatorIndex: 1, actualClassIndicatorIndex: 0));
        CollectionAssert.AreEqual(new[] { 1, 2 / 3d, 0 }, matrix.PerClassPrecision.ToArray());
        CollectionAssert.AreEqual(new[] { 0.5, 1, 0 }, matrix.PerClassRecall.ToArray());
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => matrix.GetCountForClassPair(3, 0));
        string[] lines =
        [
            "",
            "Confusion table",
            "          ||========================",
            "PREDICTED ||     0 |     1 |     2 | Recall",
            "TRUTH     ||========================",
            "        0 ||     1 |     1 |     0 | 0.5000",
            "        1 ||     0 |     2 |     0 | 1.0000",
            "        2 ||     0 |     0 |     0 | 0.0000",
            "          ||========================",
            "Precision ||1.0000 |0.6667 |0.0000 |",
            "",
        ];
        Assert.AreEqual(string.Join(Environment.NewLine, lines), matrix.GetFormattedConfusionTable());
    }

    [TestMethod]
    public void Columns_that_are_missing_or_of_another_type_are_errors()
    {
        var data = _ml.Data.LoadFromEnumerable([Row(0, 1, 0, 0)]);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _ml.MulticlassClassification.Evaluate(data, labelColumnName: "Nothing"));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _ml.MulticlassClassification.Evaluate(data, scoreColumnName: "Label"));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _ml.Regression.Evaluate(data));
    }

    [TestMethod]
    public void Regression_metrics_are_what_they_are_by_hand()
    {
        // Errors 0, 1, -2; labels 1, 2, 3 with the mean 2.
        RegressionMetrics metrics = _ml.Regression.Evaluate(_ml.Data.LoadFromEnumerable(
            [new Rated { Label = 1, Score = 1 }, new Rated { Label = 2, Score = 3 }, new Rated { Label = 3, Score = 1 }, new Rated { Label = float.NaN, Score = 9 }]));
        Assert.AreEqual(1, metrics.MeanAbsoluteError, 1e-12);                 // (0 + 1 + 2) / 3
        Assert.AreEqual(5 / 3d, metrics.MeanSquaredError, 1e-12);             // (0 + 1 + 4) / 3
        Assert.AreEqual(Math.Sqrt(5 / 3d), metrics.RootMeanSquaredError, 1e-12);
        Assert.AreEqual(5 / 3d, metrics.LossFunction, 1e-12);
        Assert.AreEqual(1 - 5 / 2d, metrics.RSquared, 1e-12);                 // 1 - 5 / (1 + 0 + 1)
        Assert.IsTrue(double.IsNaN(_ml.Regression.Evaluate(_ml.Data.LoadFromEnumerable([new Rated { Label = 1, Score = 2 }])).RSquared));
    }
}
