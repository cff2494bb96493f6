using System.Globalization;
using System.Xml.Linq;

namespace MLNet.Gpt.Transforms.Tests.Evaluation;

[TestClass]
public sealed class PictureTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [TestMethod]
    public void Ticks_are_round_and_their_labels_differ()
    {
        // Lowest, highest, and the labels by hand.
        foreach ((double low, double high, string expected) in ((double, double, string)[])
        [
            (0.13, 0.97, "0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9"), (-0.9, 1, "-0.8 -0.6 -0.4 -0.2 0.0 0.2 0.4 0.6 0.8 1.0"), (912, 1088, "920 940 960 980 1000 1020 1040 1060 1080"),
            (1000.0001, 1000.0031, "1000.0005 1000.0010 1000.0015 1000.0020 1000.0025 1000.0030"), (0, 3.1e8, "0 5E7 1E8 1.5E8 2E8 2.5E8 3E8"), (1e-9, 1.8e-9, "1E-9 1.1E-9 1.2E-9 1.3E-9 1.4E-9 1.5E-9 1.6E-9 1.7E-9 1.8E-9"),
        ])
        {
            double unit = SvgAxis.Unit(high - low);
            Assert.AreEqual(expected, string.Join(' ', SvgAxis.Ticks(low, high, unit).Select(tick => SvgAxis.Label(tick, unit))));
        }
    }

    [TestMethod]
    public void An_interval_picture_has_room_for_its_names_and_numbers()
    {
        string name = new('w', 100);
        XElement svg = XElement.Parse(IntervalPicture.ToSvg([(name, 1034.2, 990, 1080), ("评估", 965.1, 920.5, 1010)], "points"));
        XElement[] texts = [.. svg.Elements(Svg + "text")];
        CollectionAssert.IsSubsetOf(new[] { "920", "960", "1000", "1040", "1080", "1034.2", "965.1", "points" }, texts.Select(static text => text.Value).ToArray(), "ratings have no exponent");
        XElement shortened = texts.Single(static text => text.Value.StartsWith("www", StringComparison.Ordinal));
        StringAssert.StartsWith(shortened.FirstNode!.ToString(), "www");
        StringAssert.EndsWith(shortened.FirstNode!.ToString(), "…");
        Assert.AreEqual(name, shortened.Element(Svg + "title")!.Value);
        Assert.IsGreaterThanOrEqualTo(0, Number(shortened, "x") - SvgText.Width(shortened.FirstNode!.ToString(), 13), "it begins within the picture");

        Assert.ThrowsExactly<ArgumentException>(() => IntervalPicture.ToSvg([], "x"));
        Assert.ThrowsExactly<ArgumentException>(() => IntervalPicture.ToSvg([("a", double.NaN, 0, 1)], "x"));
    }

    [TestMethod]
    public void A_confusion_matrix_has_room_for_its_title_names_and_counts()
    {
        const string Title = "validation, after the second epoch, of all classes";
        XElement svg = XElement.Parse(ConfusionMatrixPicture.ToSvg([[900_000_000, 1], [2, 3]], [new string('n', 200), "评估评估评估"], Title));
        Assert.IsGreaterThan(SvgText.Width(Title, 13), Number(svg, "width"));
        Assert.IsLessThan(900, Number(svg, "width"), "a long name is shortened");
        XElement cell = svg.Elements(Svg + "rect").First(static rect => rect.Element(Svg + "title") is not null);
        Assert.IsGreaterThan(SvgText.Width("900000000", 13), Number(cell, "width"));
        StringAssert.StartsWith(cell.Element(Svg + "title")!.Value, new string('n', 200));
        // Six ideographs as wide as they are high.
        Assert.AreEqual(6 * 13, SvgText.Width("评估评估评估", 13));
        Assert.AreEqual("ab…", SvgText.Fit("abcdefgh", 30, 13));
    }

    [TestMethod]
    public void A_calibration_picture_says_how_far_its_shares_are_to_be_trusted()
    {
        XElement svg = XElement.Parse(CalibrationPicture.ToSvg([new(0.25, 0.5, 2), new(0.75, 0.8, 1000)], "pairs"));
        XElement[] bars = [.. svg.Elements(Svg + "line").Where(static line => line.Attribute("stroke-opacity") is not null)];
        Assert.HasCount(2, bars);

        // Wilson of 1 in 2, z² = 3.8414588: ½ ± ½·√(z²/(2 + z²)) = ½ ± 0.405469. The side is 360 px, 0 at 408.
        Assert.AreEqual(408 - (360 * 0.094531), Number(bars[0], "y1"), 0.01);
        Assert.AreEqual(408 - (360 * 0.905469), Number(bars[0], "y2"), 0.01);
        Assert.IsLessThan(20, Number(bars[1], "y1") - Number(bars[1], "y2"), "of a thousand it is short");
        Assert.AreEqual(Number(bars[1], "x1"), Number(bars[1], "x2"));
    }

    private static double Number(XElement element, string attribute) => double.Parse((string)element.Attribute(attribute)!, CultureInfo.InvariantCulture);
}
