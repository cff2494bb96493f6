using System.Globalization;
using System.Text;

namespace MLNet.Gpt;

/// <summary>Draws a calibration curve as an SVG picture: how often a response was preferred to the other of its pair, against the probability that the scores gave it.</summary>
/// <remarks>Thread-safe. On the diagonal the scores say what they are worth; below it (to the right of the middle) they are too sure. A dot's area grows with its pairs; its bar is
/// Wilson's 95 % interval of the share.</remarks>
public static class CalibrationPicture
{
    private const int Side = 360, FontSize = 13, Left = 64, Top = 48, Bottom = 56, Right = 24;

    /// <summary>Draws a curve.</summary>
    /// <param name="bins">The bins; one or more.</param>
    /// <param name="title">A title; null leaves it out.</param>
    /// <returns>An SVG document.</returns>
    /// <exception cref="ArgumentException">There is no bin, a count is below 1, or a probability is outside 0 to 1.</exception>
    public static string ToSvg(IReadOnlyList<CalibrationBin> bins, string? title = null)
    {
        ArgumentNullException.ThrowIfNull(bins);
        if (bins.Count == 0) throw new ArgumentException("There is no bin to draw; give one or more.", nameof(bins));
        foreach (CalibrationBin bin in bins)
        {
            if (!(bin.Predicted is >= 0 and <= 1) || !(bin.Observed is >= 0 and <= 1) || bin.Count < 1)
                throw new ArgumentException(FormattableString.Invariant($"A bin has the predicted probability {bin.Predicted}, the observed share {bin.Observed} and {bin.Count} pairs; the two must be within 0 and 1, and the pairs 1 or more."), nameof(bins));
        }

        int width = Left + Math.Max(Side, title is null ? 0 : (int)Math.Ceiling(SvgText.Width(title, FontSize))) + Right, height = Top + Side + Bottom;
        long most = bins.Max(static bin => bin.Count);
        var svg = new StringBuilder();
        Line($"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="{FontSize}">""");
        Line($"""<rect width="{width}" height="{height}" fill="white"/>""");
        if (title is not null) Line($"""<text x="{Left}" y="{Top / 2}" font-weight="bold">{SvgText.Escape(title)}</text>""");
        for (int tick = 0; tick <= 4; tick++)
        {
            double value = tick / 4.0;
            string label = value.ToString("0.00", CultureInfo.InvariantCulture);
            Line($"""<line x1="{X(value)}" y1="{Y(0)}" x2="{X(value)}" y2="{Y(1)}" stroke="#dddddd"/>""");
            Line($"""<line x1="{X(0)}" y1="{Y(value)}" x2="{X(1)}" y2="{Y(value)}" stroke="#dddddd"/>""");
            Line($"""<text x="{X(value)}" y="{Top + Side + FontSize + 6}" text-anchor="middle">{label}</text>""");
            Line($"""<text x="{Left - 8}" y="{Y(value)}" text-anchor="end" dominant-baseline="middle">{label}</text>""");
        }

        Line($"""<text x="{Left + (Side / 2)}" y="{height - 12}" text-anchor="middle">predicted probability of being preferred; bars are 95 % intervals</text>""");
        Line($"""<text transform="translate(18,{Top + (Side / 2)}) rotate(-90)" text-anchor="middle">observed share</text>""");
        Line($"""<line x1="{X(0)}" y1="{Y(0)}" x2="{X(1)}" y2="{Y(1)}" stroke="#888888" stroke-dasharray="5 4"/>""");
        Line($"""<polyline points="{string.Join(' ', bins.OrderBy(static b => b.Predicted).Select(b => $"{X(b.Predicted)},{Y(b.Observed)}"))}" fill="none" stroke="#08306b" stroke-width="2"/>""");
        foreach (CalibrationBin bin in bins)
        {
            string radius = Number(3 + (9 * Math.Sqrt((double)bin.Count / most)));
            long preferred = (long)Math.Round(bin.Observed * bin.Count);
            WinRate share = WinRate.Of(preferred, 0, bin.Count - preferred);
            Line($"""<line x1="{X(bin.Predicted)}" y1="{Y(share.Lower)}" x2="{X(bin.Predicted)}" y2="{Y(share.Upper)}" stroke="#08306b" stroke-opacity="0.6"/>""");
            string says = string.Create(CultureInfo.InvariantCulture, $"predicted {bin.Predicted:F3}, observed {bin.Observed:F3}, {bin.Count} pairs");
            Line($"""<circle cx="{X(bin.Predicted)}" cy="{Y(bin.Observed)}" r="{radius}" fill="#08306b" fill-opacity="0.6"><title>{says}</title></circle>""");
        }

        Line("</svg>");
        return svg.ToString();

        void Line(string line) => svg.Append(line).Append('\n');

        static string X(double value) => Number(Left + (value * Side));

        static string Y(double value) => Number(Top + ((1 - value) * Side));
    }

    private static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
