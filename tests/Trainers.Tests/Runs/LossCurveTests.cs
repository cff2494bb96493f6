using System.Globalization;
using System.Xml.Linq;

namespace MLNet.Gpt.Trainers.Tests.Runs;

[TestClass]
public sealed class LossCurveTests
{
    // A regression's squared error has no bound: a tenth added to 1e16 is lost in rounding.
    [TestMethod]
    [DataRow(0.0)]
    [DataRow(1e16)]
    [DataRow(-1e16)]
    [DataRow(1e300)]
    public void Losses_of_any_size_have_a_few_ticks(double loss)
    {
        XElement svg = Draw([Report(1, 10, loss), Report(2, 10, loss)]);
        int ticks = svg.Elements().Count(static e => e.Attribute("stroke")?.Value == "#ddd");
        Assert.IsTrue(ticks is >= 2 and <= 12, $"{ticks} ticks");
        Assert.AreEqual(0, svg.Descendants().Attributes().Count(static a => a.Value.Contains("NaN", StringComparison.Ordinal)));
    }

    [TestMethod]
    [DataRow(1, "0 1")]
    [DataRow(3, "0 1 2 3")]
    [DataRow(10, "0 2 4 6 8 10")]
    public void Ticks_of_steps_are_whole_and_differ(int steps, string expected)
    {
        XElement svg = Draw([Report(steps, steps, 1)]);
        Assert.AreEqual(expected, string.Join(' ', svg.Elements().Where(static e => e.Attribute("y")?.Value == "420").Select(static e => e.Value)));
    }

    [TestMethod]
    public void Any_text_can_stand_beside_the_axis()
    {
        Assert.Contains("loss < 1 & falling", Draw([Report(1, 1, 1)], "loss < 1 & falling").Elements().Select(static e => e.Value));
        Assert.ThrowsExactly<ArgumentNullException>(static () => LossCurve.ToSvg([], null!));
    }

    private static XElement Draw(TrainingProgress[] history, string axis = "loss") => XDocument.Parse(LossCurve.ToSvg(history, axis)).Root!;

    private static TrainingProgress Report(int step, int steps, double loss) => new(step, steps, step, loss, 1e-3, 1, 1, null, TimeSpan.FromSeconds(step), TimeSpan.Zero);
}
