using System.Globalization;
using System.Text;

namespace MLNet.Gpt.Benchmarks;

/// <summary>Two double-logarithmic panels, ours and the peer's in each.</summary>
internal static class ScalingPicture
{
    private const double PanelWidth = 430, Height = 420, Left = 62, Right = 18, Top = 64, Bottom = 56;

    public static string Draw(IReadOnlyList<ScalingBenchmark.Point> sizes, IReadOnlyList<ScalingBenchmark.Point> contexts, string format)
    {
        var svg = new StringBuilder();
        Add(svg, $"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * PanelWidth} {Height}" font-family="sans-serif" font-size="12">""");
        Add(svg, $"""<rect width="100%" height="100%" fill="white"/>""");
        Add(svg, $"""<text x="{Left}" y="22" font-size="15">Milliseconds a training step, {format}</text>""");
        Legend(svg, Left, "MLNet.Gpt", "#4878a8");
        Legend(svg, Left + 120, "PyTorch eager", "#c04830");
        Panel(svg, 0, sizes, static p => p.Parameters, "parameters", static v => v < 1e6 ? Invariant($"{v / 1e6:0.0} M") : Invariant($"{v / 1e6:0} M"));
        Panel(svg, PanelWidth, contexts, static p => p.Context, "context length, the same tokens a step", static v => Invariant($"{v:0}"));
        return svg.Append("</svg>\n").ToString();
    }

    private static void Panel(StringBuilder svg, double offset, IReadOnlyList<ScalingBenchmark.Point> points, Func<ScalingBenchmark.Point, double> along, string name, Func<double, string> label)
    {
        double[] times = [.. points.SelectMany(static p => (double[])[1000 * p.Ours, 1000 * p.Peer])];
        double low = times.Min() / 1.3, high = times.Max() * 1.3, first = along(points[0]) / 1.2, last = along(points[^1]) * 1.2;
        double X(double v) => offset + Left + (Math.Log(v / first) / Math.Log(last / first) * (PanelWidth - Left - Right));
        double Y(double v) => Top + (Math.Log(high / v) / Math.Log(high / low) * (Height - Top - Bottom));

        // 1, 2 and 5 times the powers of ten; where the panel is too flat for three of them, more.
        double[] coarse = [1, 2, 5], fine = [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9];
        double[] ticks = [.. Ticks(coarse)];
        foreach (double v in ticks.Length >= 3 ? ticks : [.. Ticks(fine)])
            Add(svg, $"""<line x1="{offset + Left}" x2="{offset + PanelWidth - Right}" y1="{Y(v):F1}" y2="{Y(v):F1}" stroke="#ddd"/><text x="{offset + Left - 6}" y="{Y(v) + 4:F1}" text-anchor="end">{v:0.##}</text>""");

        foreach (ScalingBenchmark.Point p in points) Add(svg, $"""<text x="{X(along(p)):F1}" y="{Height - Bottom + 18}" text-anchor="middle">{label(along(p))}</text>""");
        Add(svg, $"""<text x="{offset + ((Left + PanelWidth - Right) / 2)}" y="{Height - 14}" text-anchor="middle">{name}</text>""");
        Line(static p => 1000 * p.Peer, "#c04830");
        Line(static p => 1000 * p.Ours, "#4878a8");

        IEnumerable<double> Ticks(double[] mantissas) => Enumerable.Range(-1, 8).SelectMany(decade => mantissas.Select(tick => tick * Math.Pow(10, decade))).Where(v => v >= low && v <= high);

        void Line(Func<ScalingBenchmark.Point, double> value, string colour)
        {
            Add(svg, $"""<polyline points="{string.Join(' ', points.Select(p => Invariant($"{X(along(p)):F1},{Y(value(p)):F1}")))}" fill="none" stroke="{colour}" stroke-width="1.6"/>""");
            foreach (ScalingBenchmark.Point p in points) Add(svg, $"""<circle cx="{X(along(p)):F1}" cy="{Y(value(p)):F1}" r="3.5" fill="{colour}"><title>{value(p):0.0} ms</title></circle>""");
        }
    }

    private static void Legend(StringBuilder svg, double x, string name, string colour) =>
        Add(svg, $"""<line x1="{x}" x2="{x + 20}" y1="40" y2="40" stroke="{colour}" stroke-width="3"/><text x="{x + 26}" y="44">{name}</text>""");

    private static void Add(StringBuilder svg, FormattableString line) => svg.Append(Invariant(line)).Append('\n');

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
