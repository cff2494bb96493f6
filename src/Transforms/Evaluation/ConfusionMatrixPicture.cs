using System.Globalization;
using System.Text;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Draws a confusion matrix as an SVG picture: rows are the true classes, columns the predicted ones.</summary>
/// <remarks>Thread-safe. A cell is the darker, the larger its share of its row: a good classifier's diagonal is dark, however unequal the classes are. A name that is too long for its place is shortened; the whole of it stands in the cells' tooltips.</remarks>
public static class ConfusionMatrixPicture
{
    private const int LeastCell = 56, MostLabel = 280, FontSize = 13, Margin = 12;

    /// <summary>Draws the matrix of <c>MulticlassClassification.Evaluate</c>.</summary>
    /// <param name="matrix">The matrix.</param>
    /// <param name="classNames">The classes' names, in the order of the keys.</param>
    /// <param name="title">A title; null leaves it out.</param>
    /// <returns>An SVG document.</returns>
    /// <exception cref="ArgumentException">There are not as many names as classes.</exception>
    public static string ToSvg(ConfusionMatrix matrix, IReadOnlyList<string> classNames, string? title = null)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        return ToSvg(matrix.Counts, classNames, title);
    }

    /// <summary>Draws counts.</summary>
    /// <param name="counts">Counts by true class (outer) and predicted class (inner), 0 or more.</param>
    /// <param name="classNames">The classes' names.</param>
    /// <param name="title">A title; null leaves it out.</param>
    /// <returns>An SVG document.</returns>
    /// <exception cref="ArgumentException">The counts are not a square, negative, or not as many as the names.</exception>
    public static string ToSvg(IReadOnlyList<IReadOnlyList<double>> counts, IReadOnlyList<string> classNames, string? title = null)
    {
        ArgumentNullException.ThrowIfNull(counts);
        ArgumentNullException.ThrowIfNull(classNames);
        int n = counts.Count;
        if (n == 0 || classNames.Count != n || counts.Any(row => row.Count != n))
            throw new ArgumentException($"There are {n} rows of {string.Join(", ", counts.Select(row => row.Count).Distinct())} counts and {classNames.Count} names; give a row, a column and a name for each class.", nameof(counts));
        if (counts.Any(row => row.Any(count => !(count >= 0)))) throw new ArgumentException("A count is negative or NaN; give counts of 0 or more.", nameof(counts));

        string[] names = [.. classNames.Select(static name => Escape(SvgText.Fit(name, MostLabel, FontSize)))];
        int label = Math.Min(MostLabel, Pixels(classNames.Max(static name => SvgText.Width(name, FontSize))));
        int cell = Math.Max(LeastCell, Pixels(counts.Max(static row => row.Max(static count => SvgText.Width(Number(count), FontSize)))) + 8);
        int left = Margin + FontSize + Margin + label + Margin, top = Margin + (title is null ? 0 : 2 * FontSize) + FontSize + Margin + label + Margin;
        int width = Math.Max(left + (n * cell), title is null ? 0 : Margin + Pixels(SvgText.Width(title, FontSize))) + Margin, height = top + (n * cell) + Margin;
        var svg = new StringBuilder();
        Line($"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="{FontSize}">""");
        Line($"""<rect width="{width}" height="{height}" fill="white"/>""");
        if (title is not null) Line($"""<text x="{Margin}" y="{Margin + FontSize}" font-weight="bold">{Escape(title)}</text>""");
        Line($"""<text x="{left + (n * cell / 2)}" y="{top - label - (2 * Margin)}" text-anchor="middle">predicted</text>""");
        Line($"""<text transform="translate({Margin + FontSize},{top + (n * cell / 2)}) rotate(-90)" text-anchor="middle">true</text>""");
        for (int i = 0; i < n; i++)
        {
            double total = counts[i].Sum();
            int y = top + (i * cell);
            Line($"""<text x="{left - Margin}" y="{y + (cell / 2) + (FontSize / 3)}" text-anchor="end">{names[i]}</text>""");
            Line($"""<text transform="translate({left + (i * cell) + (cell / 2) + (FontSize / 3)},{top - Margin}) rotate(-90)">{names[i]}</text>""");
            for (int j = 0; j < n; j++)
            {
                double share = total > 0 ? counts[i][j] / total : 0;
                int x = left + (j * cell);

                // From white to a dark blue; the count's colour contrasts with it.
                string fill = string.Create(CultureInfo.InvariantCulture, $"rgb({Blend(8)},{Blend(48)},{Blend(107)})");
                Line($"""<rect x="{x}" y="{y}" width="{cell}" height="{cell}" fill="{fill}" stroke="#cccccc"><title>{Escape(classNames[i])} taken for {Escape(classNames[j])}: {Number(counts[i][j])} ({Percent(share)})</title></rect>""");
                Line($"""<text x="{x + (cell / 2)}" y="{y + (cell / 2) + (FontSize / 3)}" text-anchor="middle" pointer-events="none" fill="{(share > 0.5 ? "white" : "black")}">{Number(counts[i][j])}</text>""");

                int Blend(int dark) => (int)Math.Round(255 - (share * (255 - dark)));
            }
        }

        Line("</svg>");
        return svg.ToString();

        void Line(string line) => svg.Append(line).Append('\n');
    }

    private static int Pixels(double width) => (int)Math.Ceiling(width);

    private static string Number(double count) => count.ToString("0.##", CultureInfo.InvariantCulture);

    private static string Percent(double share) => share.ToString("0.0 %", CultureInfo.InvariantCulture);

    private static string Escape(string text) => SvgText.Escape(text);
}
