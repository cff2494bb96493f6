namespace MLNet.Gpt.Core.Tests.Judging;

[TestClass]
public sealed class PreferenceMetricsTests
{
    [TestMethod]
    public void Pairs_of_unequal_grades_are_counted_as_worked_out_by_hand()
    {
        // Prompt 1: grades 2, 1, 1 and scores 1, 0, 3: pairs (1, 2) right, d = 1; (1, 3) wrong, d = −2; the tied pair is left out.
        // Prompt 2: grades 0, 1 and scores 0.5, 0.5: a tie of scores counts half, d = 0.
        PreferenceMetrics metrics = PreferenceMetrics.Of([new([2, 1, 1], [1, 0, 3]), new([0, 1], [0.5, 0.5])]);
        Assert.AreEqual(2, metrics.Prompts);
        Assert.AreEqual(3, metrics.Pairs);
        Assert.AreEqual(0.5, metrics.Accuracy, 1e-12);
        Assert.AreEqual(-1 / 3.0, metrics.Margin, 1e-12);

        // ((log(1 + e⁻¹) + log(1 + e²)) / 2 + log 2) / 2 = ((0.31326169 + 2.12692801) / 2 + 0.69314718) / 2.
        Assert.AreEqual(0.95662102, metrics.Loss, 1e-7);
        Assert.AreEqual((0, 1.0, 3), (metrics.MinScore, metrics.MeanScore, metrics.MaxScore));
    }

    [TestMethod]
    public void Calibration_bins_hold_each_pair_from_both_sides()
    {
        // σ(1) = 0.73105858, right; σ(−2) = 0.11920292, wrong, so that 0.88079708 is observed; σ(0) = 0.5 twice, once preferred.
        PreferenceMetrics metrics = PreferenceMetrics.Of([new([2, 1, 1], [1, 0, 3]), new([0, 1], [0.5, 0.5])]);
        Assert.AreEqual(6, metrics.Calibration.Sum(static bin => bin.Count));
        CalibrationBin middle = metrics.Calibration.Single(static bin => bin.Predicted == 0.5);
        Assert.AreEqual((0.5, 2), (middle.Observed, middle.Count));
        Assert.AreEqual(1, metrics.Calibration.Single(static bin => Math.Abs(bin.Predicted - 0.73105858) < 1e-6).Observed);
        Assert.AreEqual(1, metrics.Calibration.Single(static bin => Math.Abs(bin.Predicted - 0.11920292) < 1e-6).Observed);

        // (2·0.26894142 + 2·0.88079708 + 0) / 6.
        Assert.AreEqual(0.38324617, metrics.CalibrationError, 1e-7);
    }

    [TestMethod]
    public void Scores_that_say_what_they_are_worth_are_calibrated()
    {
        // Preferences drawn from σ(d): every bin lies on the diagonal, within four standard errors.
        var random = new Random(3);
        var groups = Enumerable.Range(0, 20_000).Select(_ =>
        {
            double difference = (random.NextDouble() * 6) - 3;
            bool first = random.NextDouble() < 1 / (1 + Math.Exp(-difference));
            return new GradedScores(first ? [1, 0] : [0, 1], [difference, 0]);
        });
        PreferenceMetrics metrics = PreferenceMetrics.Of(groups);
        foreach (CalibrationBin bin in metrics.Calibration) Assert.AreEqual(bin.Predicted, bin.Observed, 4 * Math.Sqrt(0.25 / bin.Count), bin.ToString());
        Assert.IsLessThan(0.02, metrics.CalibrationError);
    }

    [TestMethod]
    public void What_can_not_be_compared_is_refused()
    {
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(static () => PreferenceMetrics.Of([new([1, 1], [0, 1])])).Message, "unequal grades");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(static () => PreferenceMetrics.Of([new([1, 0], [0])])).Message, "2 grades and 1 scores");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(static () => PreferenceMetrics.Of([new([1, 0], [0, double.NaN])])).Message, "NaN");
    }
}
