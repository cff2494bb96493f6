using System.Globalization;
using System.Text;
using MLNet.Gpt;

namespace LossPredictionExample;

/// <summary>Loss over tokens as SVG: a curve of the law and the measured points for each size, the interval beside what was measured.</summary>
internal static class Picture
{
    private const double Width = 800, Height = 500, Left = 70, Right = 170, Top = 50, Bottom = 60;

    private static readonly string[] Colours = ["#4878a8", "#58a070", "#a08030", "#8058a0", "#c04830"];

    public static string Draw(LossScalingLaw law, IReadOnlyList<ScalingRun> small, ScalingRun large, LossPrediction prediction)
    {
        double[] losses = [.. small.Append(large).Select(static r => r.Loss), prediction.Lower, prediction.Upper];
        double[] tokens = [.. small.Append(large).Select(static r => r.TokenCount)];
        double low = losses.Min() - 0.05, high = losses.Max() + 0.05, first = Math.Log(tokens.Min() / 1.3), last = Math.Log(tokens.Max() * 1.3);
        double X(double d) => Left + ((Math.Log(d) - first) / (last - first) * (Width - Left - Right));
        double Y(double loss) => Top + ((high - loss) / (high - low) * (Height - Top - Bottom));

        var svg = new StringBuilder();
        Add($"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" font-family="sans-serif" font-size="13">""");
        Add($"""<rect width="100%" height="100%" fill="white"/>""");
        Add($"""<text x="{Left}" y="28" font-size="15">{law}</text>""");
        double unit = high - low > 1.5 ? 0.5 : high - low > 0.6 ? 0.2 : 0.1;
        for (double loss = Math.Ceiling(low / unit) * unit; loss <= high; loss += unit)
            Add($"""<line x1="{Left}" x2="{Width - Right}" y1="{Y(loss):F1}" y2="{Y(loss):F1}" stroke="#ddd"/><text x="{Left - 8}" y="{Y(loss) + 4:F1}" text-anchor="end">{loss:0.0}</text>""");
        foreach (double d in tokens.Distinct())
            Add($"""<text x="{X(d):F1}" y="{Height - Bottom + 20}" text-anchor="middle">{(d < 1e6 ? d / 1e3 : d / 1e6):0.##}{(d < 1e6 ? "k" : "M")}</text>""");
        Add($"""<text x="{(Left + Width - Right) / 2}" y="{Height - 14}" text-anchor="middle">tokens D</text>""");
        Add($"""<text x="18" y="{Height / 2}" text-anchor="middle" transform="rotate(-90 18 {Height / 2})">held-out loss, nats per character</text>""");

        int i = 0;
        foreach (IGrouping<double, ScalingRun> size in small.Append(large).GroupBy(static r => r.ParameterCount))
        {
            string colour = Colours[i % Colours.Length];
            IEnumerable<string> curve = Enumerable.Range(0, 61).Select(k => Math.Exp(first + (k / 60.0 * (last - first))))
                .Select(d => (X: X(d), Y: Y(law.Loss(size.Key, d)))).Where(static p => p.Y >= Top).Select(static p => FormattableString.Invariant($"{p.X:F1},{p.Y:F1}"));
            Add($"""<polyline points="{string.Join(' ', curve)}" fill="none" stroke="{colour}" stroke-width="1.3"/>""");
            foreach (ScalingRun run in size) Add($"""<circle cx="{X(run.TokenCount):F1}" cy="{Y(run.Loss):F1}" r="4" fill="{colour}"/>""");
            Add($"""<circle cx="{Width - Right + 20}" cy="{Top + 10 + (24 * i)}" r="4" fill="{colour}"/><text x="{Width - Right + 32}" y="{Top + 14 + (24 * i)}">N = {size.Key:N0}</text>""");
            i++;
        }

        double x = X(large.TokenCount);
        Add($"""<path d="M{x - 7:F1} {Y(prediction.Lower):F1}h14m-7 0V{Y(prediction.Upper):F1}m-7 0h14" fill="none" stroke="{Colours[(i - 1) % Colours.Length]}" stroke-width="2"/>""");
        Add($"""<text x="{Width - Right + 14}" y="{Top + 20 + (24 * i)}" font-size="12">bar: {100 * prediction.Level:0} % interval</text>""");
        Add($"""</svg>""");
        return svg.ToString();

        void Add(FormattableString line) => svg.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
    }
}
