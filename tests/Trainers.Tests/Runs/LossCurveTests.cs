using System.Globalization;
using System.Xml.Linq;

namespace MLNet.Gpt.Trainers.Tests.Runs;

[TestClass]
public sealed class LossCurveTests
{
    [TestMethod]
    public void A_picture_without_reports_or_without_a_finite_loss_says_so()
    {
        CollectionAssert.AreEqual(new[] { "No report yet" }, Texts(Draw([])));
        CollectionAssert.AreEqual(new[] { "No finite loss in 2 reports" }, Texts(Draw([Report(1, double.NaN), Report(2, double.PositiveInfinity, double.NaN)])));
    }

    // A regression's squared error has no bound: a tenth added to 1e16 is lost in rounding.
    [TestMethod]
    [DataRow(0.0)]
    [DataRow(1e16)]
    [DataRow(-1e16)]
    [DataRow(1e300)]
    public void Losses_of_any_size_have_a_few_ticks(double loss)
    {
        XElement svg = Draw([Report(1, loss), Report(2, loss)]);
        Assert.IsInRange(2, 12, Ticks(svg).Length);
        Assert.AreEqual(0, svg.Descendants().Attributes().Count(static a => a.Value.Contains("NaN", StringComparison.Ordinal)));
    }

    [TestMethod]
    [DataRow(1, "0 1")]
    [DataRow(3, "0 1 2 3")]
    [DataRow(4, "0 1 2 3 4")]
    [DataRow(400, "0 50 100 150 200 250 300 350 400")]
    public void Steps_are_whole_numbers_and_each_stands_there_once(int steps, string expected)
    {
        XElement svg = Draw([.. Enumerable.Range(1, steps).Select(static step => Report(step, 3 + (1.0 / step)))]);
        Assert.AreEqual(expected, string.Join(' ', svg.Elements(Svg + "text").Where(static text => (string?)text.Attribute("y") == "420").Select(static text => text.Value)));
    }

    [TestMethod]
    public void A_single_report_is_a_dot_of_each_curve()
    {
        XElement svg = Draw([Report(1, 6.1, 6.0)]);
        Assert.AreEqual(3, svg.Elements(Svg + "circle").Count(), "training, validation, and validation's tooltip");
        Assert.IsFalse(svg.Elements(Svg + "polyline").Any());
    }

    [TestMethod]
    public void A_spike_leaves_the_rest_legible_and_a_note()
    {
        // 8 down to about 2; two reports of a million.
        XElement svg = Draw([.. Enumerable.Range(1, 100).Select(static i => Report(i * 10, i is 50 or 51 ? 1.2e6 : 2 + (6 * Math.Exp(-i / 20.0))))]);
        string[] ticks = Ticks(svg);
        Assert.AreEqual("8", ticks[^1]);
        double[] heights = Heights(svg.Elements(Svg + "polyline").Single());
        Assert.AreEqual(40, heights[49], 0.1, "the upper edge");
        Assert.AreEqual(40, heights[0], 30, "the first report stands near it");
        Assert.IsGreaterThan(390, heights[99], "and the last near the lower one, at 400");
        CollectionAssert.Contains(Texts(svg), "2 above the axis, up to 1.2E+06");
    }

    [TestMethod]
    public void A_loss_that_is_not_finite_breaks_the_line_and_is_told()
    {
        XElement svg = Draw([Report(1, 3), Report(2, 2.9, 3.1), Report(3, double.NaN, 3), Report(4, 2.8), Report(5, double.NaN, double.NaN)]);
        Assert.HasCount(2, Heights(svg.Elements(Svg + "polyline").First()));
        CollectionAssert.Contains(Texts(svg), "3 not finite");
        CollectionAssert.Contains(Texts(svg), "training NaN", "the last loss, not the last finite one");
        CollectionAssert.Contains(Texts(svg), "validation NaN (best 3.000)");
    }

    [TestMethod]
    public void Small_losses_fill_the_picture_and_their_labels_have_room()
    {
        XElement svg = Draw([.. Enumerable.Range(1, 30).Select(static i => Report(i, 0.001 - (i * 1e-5)))], "squared error <of a score> & more");
        double[] heights = Heights(svg.Elements(Svg + "polyline").Single());
        Assert.IsLessThan(60, heights[0]);
        Assert.IsGreaterThan(380, heights[^1]);
        CollectionAssert.Contains(Texts(svg), "squared error <of a score> & more");
        CollectionAssert.Contains(Texts(svg), "training 0.0007");
        Assert.AreEqual("0.00070", Ticks(svg)[0]);
        // Seven characters of at most 8.1 px end 8 px left of the axis, and the axis' name stands at 16 and is 13 px high.
        double axis = double.Parse((string)svg.Elements(Svg + "line").First().Attribute("x1")!, CultureInfo.InvariantCulture);
        Assert.IsGreaterThan(16 + 3 + 56, axis - 8 + 1);
    }

    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    private static XElement Draw(IReadOnlyList<TrainingProgress> history, string axis = "loss, nats per token") => XElement.Parse(LossCurve.ToSvg(history, axis));

    private static string[] Texts(XElement svg) => [.. svg.Elements(Svg + "text").Select(static text => text.Value)];

    /// <summary>The numbers beside the vertical axis, from below.</summary>
    private static string[] Ticks(XElement svg) => [.. svg.Elements(Svg + "text").Where(static text => (string?)text.Attribute("text-anchor") == "end" && text.Attribute("fill") is null).Select(static text => text.Value)];

    private static double[] Heights(XElement line) => [.. ((string)line.Attribute("points")!).Split(' ').Select(static point => double.Parse(point.Split(',')[1], CultureInfo.InvariantCulture))];

    private static TrainingProgress Report(int step, double loss, double? validation = null) => new(step, 1000, step, loss, 1e-3, 1, 1, validation, TimeSpan.Zero, TimeSpan.Zero);
}
