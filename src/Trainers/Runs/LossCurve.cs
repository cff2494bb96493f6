using System.Globalization;
using System.Text;

namespace MLNet.Gpt;

/// <summary>Draws training and validation loss over steps as an SVG picture.</summary>
public static class LossCurve
{
    private const double Width = 800, Height = 450, Left = 64, Right = 20, Top = 40, Bottom = 50;

    /// <summary>The picture of a run.</summary>
    /// <param name="history">The run's reports, in order of steps.</param>
    /// <param name="axis">What stands beside the vertical axis.</param>
    /// <returns>An SVG document; with no report, one that says so.</returns>
    public static string ToSvg(IReadOnlyList<TrainingProgress> history, string axis = "loss, nats per token")
    {
        ArgumentNullException.ThrowIfNull(history);
        ArgumentNullException.ThrowIfNull(axis);
        var points = history.Where(static p => double.IsFinite(p.Loss)).ToList();
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" font-family="sans-serif" font-size="13">""").Append('\n');
        svg.Append("""<rect width="100%" height="100%" fill="white"/>""").Append('\n');
        if (points.Count == 0)
        {
            svg.Append(CultureInfo.InvariantCulture, $"""<text x="{Width / 2}" y="{Height / 2}" text-anchor="middle">No report yet</text>""").Append("\n</svg>\n");
            return svg.ToString();
        }

        var validation = points.Where(static p => p.ValidationLoss is { } v && double.IsFinite(v)).ToList();
        double maxStep = Math.Max(1, points[^1].Step);
        var losses = points.Select(static p => p.Loss).Concat(validation.Select(static p => p.ValidationLoss!.Value)).ToList();
        double least = losses.Min(), most = losses.Max();
        double unit = TickUnit(Math.Max(Math.Max(most - least, 0.1), Math.Max(Math.Abs(least), Math.Abs(most)) * 1e-6)); // a unit that doubles of this size can tell
        double low = Math.Floor(least / unit) * unit, high = Math.Max(Math.Ceiling(most / unit) * unit, low + unit);
        double X(double step) => Left + (step / maxStep * (Width - Left - Right));
        double Y(double loss) => Top + ((high - loss) / (high - low) * (Height - Top - Bottom));

        for (int tick = 0; tick <= (int)Math.Round((high - low) / unit); tick++)
        {
            double loss = low + (tick * unit);
            svg.Append(CultureInfo.InvariantCulture, $"""<line x1="{Left}" x2="{Width - Right}" y1="{Y(loss):F1}" y2="{Y(loss):F1}" stroke="#ddd"/><text x="{Left - 8}" y="{Y(loss) + 4:F1}" text-anchor="end">{loss:0.##}</text>""").Append('\n');
        }

        double stepUnit = Math.Max(1, TickUnit(maxStep));
        for (double step = 0; step <= maxStep; step += stepUnit)
        {
            svg.Append(CultureInfo.InvariantCulture, $"""<text x="{X(step):F1}" y="{Height - Bottom + 20}" text-anchor="middle">{step:0}</text>""").Append('\n');
        }

        svg.Append(CultureInfo.InvariantCulture, $"""<text x="{(Left + Width - Right) / 2}" y="{Height - 10}" text-anchor="middle">step</text>""").Append('\n');
        svg.Append(CultureInfo.InvariantCulture, $"""<text x="16" y="{Height / 2}" text-anchor="middle" transform="rotate(-90 16 {Height / 2})">{SvgText.Escape(axis)}</text>""").Append('\n');
        Line(points.Select(p => (X(p.Step), Y(p.Loss))), "#4878a8", 1.2);
        Line(validation.Select(p => (X(p.Step), Y(p.ValidationLoss!.Value))), "#c04830", 2);
        foreach (TrainingProgress p in validation)
        {
            svg.Append(CultureInfo.InvariantCulture, $"""<circle cx="{X(p.Step):F1}" cy="{Y(p.ValidationLoss!.Value):F1}" r="3" fill="#c04830"><title>step {p.Step}: {p.ValidationLoss:F4}</title></circle>""").Append('\n');
        }

        Legend(Left + 8, "#4878a8", FormattableString.Invariant($"training {points[^1].Loss:F3}"));
        if (validation.Count > 0) Legend(Left + 180, "#c04830", FormattableString.Invariant($"validation {validation[^1].ValidationLoss:F3} (best {validation.Min(static p => p.ValidationLoss):F3})"));
        return svg.Append("</svg>\n").ToString();

        void Line(IEnumerable<(double X, double Y)> line, string colour, double width)
        {
            string path = string.Join(' ', line.Select(static p => FormattableString.Invariant($"{p.X:F1},{p.Y:F1}")));
            if (path.Length > 0) svg.Append(CultureInfo.InvariantCulture, $"""<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>""").Append('\n');
        }

        void Legend(double x, string colour, string text) =>
            svg.Append(CultureInfo.InvariantCulture, $"""<line x1="{x}" x2="{x + 24}" y1="22" y2="22" stroke="{colour}" stroke-width="3"/><text x="{x + 30}" y="26">{text}</text>""").Append('\n');
    }

    /// <summary>1, 2 or 5 times a power of ten, such that the span has four to ten ticks.</summary>
    private static double TickUnit(double span)
    {
        double power = Math.Pow(10, Math.Floor(Math.Log10(span)));
        double scaled = span / power;
        return power * (scaled < 2 ? 0.2 : scaled < 5 ? 0.5 : 1);
    }
}
