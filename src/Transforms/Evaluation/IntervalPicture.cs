using System.Globalization;
using System.Text;

namespace MLNet.Gpt;

/// <summary>Draws numbers with their intervals as an SVG picture: a row for each, a dot for the number, a line for the interval.</summary>
/// <remarks>Thread-safe. A name that is too long for its place is shortened; the whole of it is the row's tooltip.</remarks>
public static class IntervalPicture
{
    private const int LeastLabelWidth = 120, MostLabelWidth = 360, PlotWidth = 360, LeastValueWidth = 80, Gap = 10, RowHeight = 26, FontSize = 13, Top = 8, Bottom = 40;

    /// <summary>Draws rows.</summary>
    /// <param name="rows">The names, numbers and ends of their intervals (NaN where there is none); one or more. Numbers must be finite.</param>
    /// <param name="axis">What stands below the axis.</param>
    /// <param name="marked">A number to mark with a line, such as 0.5 for a win rate; null for none.</param>
    /// <returns>An SVG document.</returns>
    /// <exception cref="ArgumentException">There is no row, or a number is not finite.</exception>
    public static string ToSvg(IReadOnlyList<(string Name, double Value, double Lower, double Upper)> rows, string axis, double? marked = null)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(axis);
        if (rows.Count == 0) throw new ArgumentException("There is no row to draw; give one or more.", nameof(rows));
        foreach ((string name, double value, _, _) in rows)
        {
            if (!double.IsFinite(value)) throw new ArgumentException(FormattableString.Invariant($"The number of '{name}' is {value}; leave out what has none."), nameof(rows));
        }

        double[] all = [.. rows.SelectMany(static row => (double[])[row.Value, row.Lower, row.Upper]).Where(double.IsFinite), .. marked is { } mark ? (double[])[mark] : []];
        double least = all.Min(), most = all.Max();
        if (most - least < 1e-12 * Math.Max(1, Math.Abs(most))) (least, most) = (least - 0.5, most + 0.5);
        (least, most) = (least - (0.05 * (most - least)), most + (0.05 * (most - least)));
        double unit = SvgAxis.Unit(most - least);
        int left = (int)Math.Clamp(Math.Ceiling(rows.Max(static row => SvgText.Width(row.Name, FontSize))) + (2 * Gap), LeastLabelWidth, MostLabelWidth);
        string[] values = [.. rows.Select(row => SvgAxis.Label(row.Value, unit / 100))];
        int right = (int)Math.Max(LeastValueWidth, Math.Ceiling(values.Max(static value => SvgText.Width(value, FontSize))) + (2 * Gap));
        int width = left + PlotWidth + right, bottom = Top + (rows.Count * RowHeight), height = bottom + Bottom;
        var svg = new StringBuilder();
        Line($"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="{FontSize}">""");
        Line($"""<rect width="{width}" height="{height}" fill="white"/>""");
        double[] ticks = [.. SvgAxis.Ticks(least, most, unit)];
        int every = ticks.Any(tick => SvgText.Width(SvgAxis.Label(tick, unit), FontSize) + Gap > unit / (most - least) * PlotWidth) ? 2 : 1; // no two labels touch
        for (int i = 0; i < ticks.Length; i++)
        {
            Line($"""<line x1="{X(ticks[i])}" y1="{Top}" x2="{X(ticks[i])}" y2="{bottom}" stroke="#dddddd"/>""");
            if (i % every == 0) Line($"""<text x="{X(ticks[i])}" y="{bottom + FontSize + 2}" text-anchor="middle">{SvgAxis.Label(ticks[i], unit)}</text>""");
        }

        if (marked is { } at) Line($"""<line x1="{X(at)}" y1="{Top}" x2="{X(at)}" y2="{bottom}" stroke="#888888" stroke-dasharray="5 4"/>""");
        for (int i = 0; i < rows.Count; i++)
        {
            (string name, double value, double lower, double upper) = rows[i];
            int y = Top + (i * RowHeight) + (RowHeight / 2);
            Line($"""<text x="{left - Gap}" y="{y}" text-anchor="end" dominant-baseline="middle">{SvgText.Escape(SvgText.Fit(name, left - (2 * Gap), FontSize))}<title>{SvgText.Escape(name)}</title></text>""");
            if (double.IsFinite(lower) && double.IsFinite(upper)) Line($"""<line x1="{X(lower)}" y1="{y}" x2="{X(upper)}" y2="{y}" stroke="#08306b" stroke-width="2"/>""");
            Line($"""<circle cx="{X(value)}" cy="{y}" r="4" fill="#08306b"/>""");
            Line($"""<text x="{left + PlotWidth + Gap}" y="{y}" dominant-baseline="middle">{values[i]}</text>""");
        }

        Line($"""<text x="{left + (PlotWidth / 2)}" y="{height - 6}" text-anchor="middle">{SvgText.Escape(axis)}</text>""");
        Line("</svg>");
        return svg.ToString();

        void Line(string line) => svg.Append(line).Append('\n');

        string X(double value) => (left + ((value - least) / (most - least) * PlotWidth)).ToString("0.##", CultureInfo.InvariantCulture);
    }
}
