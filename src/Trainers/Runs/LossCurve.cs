using System.Globalization;
using System.Text;

namespace MLNet.Gpt;

/// <summary>Draws training and validation loss over steps as an SVG picture.</summary>
/// <remarks>
/// Thread-safe. Where a loss is not finite the line is broken. Losses far above where the run began and what most of them are (a spike, a run that diverges) would press the rest into a
/// line: they are drawn at the upper edge, and a note below says how many there are and how large.
/// </remarks>
public static class LossCurve
{
    private const double Width = 800, Height = 450, LeastLeft = 64, Right = 36, Top = 40, Bottom = 50, FontSize = 13;

    // A dot for each of so many evaluations; more than that are a line alone.
    private const int MostDots = 200;

    // The axis reaches no further than so many times the rise from the lowest loss to the first one, or to the upper quartile.
    private const double MostRise = 5;

    private const string Training = "#4878a8", Validation = "#c04830";

    /// <summary>The picture of a run.</summary>
    /// <param name="history">The run's reports, in order of steps.</param>
    /// <param name="axis">What stands beside the vertical axis.</param>
    /// <returns>An SVG document; with no report, or without a finite loss, one that says so.</returns>
    public static string ToSvg(IReadOnlyList<TrainingProgress> history, string axis = "loss, nats per token")
    {
        ArgumentNullException.ThrowIfNull(history);
        ArgumentNullException.ThrowIfNull(axis);
        (int Step, double Loss)[] training = [.. history.Select(static p => (p.Step, p.Loss))];
        (int Step, double Loss)[] validation = [.. history.Where(static p => p.ValidationLoss is not null).Select(static p => (p.Step, p.ValidationLoss!.Value))];
        double[] losses = [.. training.Concat(validation).Select(static p => p.Loss).Where(double.IsFinite)];
        var svg = new StringBuilder();
        Add($"""<svg xmlns="http://www.w3.org/2000/svg" width="{Width}" height="{Height}" viewBox="0 0 {Width} {Height}" font-family="sans-serif" font-size="{FontSize}">""");
        Add($"""<rect width="100%" height="100%" fill="white"/>""");
        if (losses.Length == 0)
        {
            Add($"""<text x="{Width / 2}" y="{Height / 2}" text-anchor="middle">{(history.Count == 0 ? "No report yet" : FormattableString.Invariant($"No finite loss in {history.Count} reports"))}</text>""");
            return svg.Append("</svg>\n").ToString();
        }

        // 1. The axes.
        double least = losses.Min(), most = Ceiling(losses), maxStep = Math.Max(1, history[^1].Step), span = Span(least, most);
        double unit = SvgAxis.Unit(span);
        double low = Math.Floor((least / unit) + 1e-9) * unit, high = Math.Ceiling((Math.Max(most, low + span) / unit) - 1e-9) * unit;
        double[] ticks = [.. SvgAxis.Ticks(low, high, unit)];
        double left = Math.Max(LeastLeft, 30 + ticks.Max(tick => SvgText.Width(SvgAxis.Label(tick, unit), FontSize)));
        double X(double step) => left + (step / maxStep * (Width - left - Right));
        double Y(double loss) => Top + (Math.Max(0, (high - loss) / (high - low)) * (Height - Top - Bottom));
        foreach (double loss in ticks)
            Add($"""<line x1="{left:F1}" x2="{Width - Right}" y1="{Y(loss):F1}" y2="{Y(loss):F1}" stroke="#ddd"/><text x="{left - 8:F1}" y="{Y(loss) + 4:F1}" text-anchor="end">{SvgAxis.Label(loss, unit)}</text>""");
        double stepUnit = Math.Max(1, SvgAxis.Unit(maxStep)); // there is no half of a step
        foreach (double step in SvgAxis.Ticks(0, maxStep, stepUnit)) Add($"""<text x="{X(step):F1}" y="{Height - Bottom + 20}" text-anchor="middle">{step:0}</text>""");
        Add($"""<text x="{(left + Width - Right) / 2}" y="{Height - 10}" text-anchor="middle">step</text>""");
        Add($"""<text x="16" y="{Height / 2}" text-anchor="middle" transform="rotate(-90 16 {Height / 2})">{SvgText.Escape(axis)}</text>""");

        // 2. The curves.
        Line(training, Training, 1.2);
        Line(validation, Validation, 2);
        if (validation.Length <= MostDots)
        {
            foreach ((int step, double loss) in validation.Where(static p => double.IsFinite(p.Loss)))
                Add($"""<circle cx="{X(step):F1}" cy="{Y(loss):F1}" r="3" fill="{Validation}"><title>step {step}: {loss:F4}</title></circle>""");
        }

        // 3. The last losses, whatever they are, and what the picture doesn't show.
        Legend(left + 8, Training, FormattableString.Invariant($"training {Text(training[^1].Loss)}"));
        if (validation.Length > 0)
        {
            double[] finite = [.. validation.Select(static p => p.Loss).Where(double.IsFinite)];
            Legend(left + 180, Validation, $"validation {Text(validation[^1].Loss)}{(finite.Length > 0 ? $" (best {Text(finite.Min())})" : "")}");
        }

        double[] above = [.. losses.Where(loss => loss > high)];
        int missing = training.Length + validation.Length - losses.Length;
        string note = string.Join("; ", (string[])[.. above.Length > 0 ? (string[])[FormattableString.Invariant($"{above.Length} above the axis, up to {above.Max():G4}")] : [], .. missing > 0 ? (string[])[FormattableString.Invariant($"{missing} not finite")] : []]);
        if (note.Length > 0) Add($"""<text x="{Width - Right}" y="{Height - 10}" text-anchor="end" fill="#a02020">{note}</text>""");
        return svg.Append("</svg>\n").ToString();

        // A piece for each run of finite losses; one that stands alone is a dot, since a line of one point is invisible.
        void Line(IReadOnlyList<(int Step, double Loss)> points, string colour, double width)
        {
            for (int begin = 0; begin < points.Count; begin++)
            {
                int end = begin;
                while (end < points.Count && double.IsFinite(points[end].Loss)) end++;
                if (end == begin) continue;
                IEnumerable<(int Step, double Loss)> piece = points.Skip(begin).Take(end - begin);
                if (end == begin + 1) Add($"""<circle cx="{X(points[begin].Step):F1}" cy="{Y(points[begin].Loss):F1}" r="2.5" fill="{colour}"/>""");
                else Add($"""<polyline points="{string.Join(' ', piece.Select(p => FormattableString.Invariant($"{X(p.Step):F1},{Y(p.Loss):F1}")))}" fill="none" stroke="{colour}" stroke-width="{width}"/>""");
                begin = end;
            }
        }

        void Legend(double x, string colour, string text) => Add($"""<line x1="{x}" x2="{x + 24}" y1="22" y2="22" stroke="{colour}" stroke-width="3"/><text x="{x + 30}" y="26">{text}</text>""");

        void Add(FormattableString line) => svg.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
    }

    /// <summary>The largest loss that the axis shows.</summary>
    private static double Ceiling(double[] losses)
    {
        double[] sorted = [.. losses.Order()];
        double least = sorted[0], usual = Math.Max(losses[0], sorted[(int)(0.75 * (sorted.Length - 1))]);
        double bound = least + (MostRise * Span(least, usual));
        return sorted.Last(loss => loss <= bound);
    }

    /// <summary>From one loss to a higher one; at least a fiftieth of their size, so that what is all but constant looks so.</summary>
    private static double Span(double least, double most) => Math.Max(most - least, Math.Max(Math.Abs(least), Math.Abs(most)) is > 0 and var size ? size / 50 : 1);

    private static string Text(double loss) => Math.Abs(loss) is 0 or (>= 0.01 and < 1e5) ? loss.ToString("F3", CultureInfo.InvariantCulture) : loss.ToString("G4", CultureInfo.InvariantCulture);
}
