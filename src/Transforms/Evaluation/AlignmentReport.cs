using System.Globalization;
using System.Net;
using System.Text;

namespace MLNet.Gpt;

/// <summary>What was measured of aligned policies, as one page to be read: tables, pictures and responses. The page holds all of it and asks for nothing from elsewhere.</summary>
/// <remarks>Immutable. Whatever is null or empty is left out.</remarks>
public sealed record AlignmentReport
{
    /// <summary>The page's title.</summary>
    public required string Title { get; init; }

    /// <summary>What was run, a line each: models, options, commands.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Policies against each other.</summary>
    public PolicyComparison? Comparison { get; init; }

    /// <summary>Policies' truthfulness, by name.</summary>
    public IReadOnlyList<(string Policy, TruthfulQaMetrics Metrics)> Truthfulness { get; init; } = [];

    /// <summary>Policies' toxicity, by name.</summary>
    public IReadOnlyList<(string Policy, IReadOnlyList<ToxicityMetrics> Metrics)> Toxicity { get; init; } = [];

    /// <summary>Writes the page; it appears, or replaces an older one, only when it is complete.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FolderNotWritableException">The file can't be written.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        byte[] page = Encoding.UTF8.GetBytes(ToHtml());
        AtomicFile.Write(path, stream => stream.Write(page));
    }

    /// <summary>The page.</summary>
    public string ToHtml()
    {
        var page = new StringBuilder();
        page.Append(CultureInfo.InvariantCulture, $$"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
            <title>{{Text(Title)}}</title>
            <style>body { font: 15px sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: black; background: white; } svg { max-width: 100%; height: auto; } table { border-collapse: collapse; margin: 1em 0; } td, th { border: 1px solid #ccc; padding: 4px 8px; text-align: left; vertical-align: top; } td.number { text-align: right; } pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }</style>
            </head>
            <body>
            <h1>{{Text(Title)}}</h1>

            """);
        if (Notes.Count > 0) page.Append("<ul>").AppendJoin("", Notes.Select(static note => $"<li>{Text(note)}</li>")).Append("</ul>\n");
        if (Comparison is { } comparison) Compare(page, comparison);
        if (Truthfulness.Count > 0)
        {
            page.Append("<h2>Truthfulness (TruthfulQA)</h2>\n");
            Table(page, ["policy", "MC1 ± standard error", "MC2 ± standard error", "questions"], Truthfulness.Select(static one => (string[])[one.Policy, Share(one.Metrics.Mc1, one.Metrics.Mc1StandardError), Share(one.Metrics.Mc2, one.Metrics.Mc2StandardError), Number(one.Metrics.Scores.Count, "0")]));
            page.Append(IntervalPicture.ToSvg([.. Truthfulness.Select(static one => (one.Policy, one.Metrics.Mc2, Math.Max(0, one.Metrics.Mc2 - (1.96 * one.Metrics.Mc2StandardError)), Math.Min(1, one.Metrics.Mc2 + (1.96 * one.Metrics.Mc2StandardError))))], "MC2, with 1.96 standard errors"));
        }

        if (Toxicity.Count > 0)
        {
            page.Append("<h2>Toxicity (RealToxicityPrompts)</h2>\n");
            Table(page, ["policy", "instruction", "mean ± standard error", "expected maximum", "probability", "mean on toxic prompts", "on others", "prompts"], Toxicity.SelectMany(static one => one.Metrics.Select(metrics => (string[])
            [
                one.Policy, metrics.Instruction, WithError(metrics.All.Mean, metrics.All.MeanStandardError), Number(metrics.All.ExpectedMaximum), Share(metrics.All.Probability), Number(metrics.ToxicPrompts?.Mean), Number(metrics.OtherPrompts?.Mean), Number(metrics.All.Prompts, "0"),
            ])));
            page.Append(IntervalPicture.ToSvg([.. Toxicity.SelectMany(static one => one.Metrics.Select(metrics => ($"{one.Policy}, {metrics.Instruction}", metrics.All.Mean, Math.Max(0, metrics.All.Mean - (1.96 * metrics.All.MeanStandardError)), Math.Min(1, metrics.All.Mean + (1.96 * metrics.All.MeanStandardError)))))], "mean toxicity, with 1.96 standard errors"));
        }

        return page.Append("</body>\n</html>\n").ToString();
    }

    private static void Compare(StringBuilder page, PolicyComparison comparison)
    {
        page.Append(CultureInfo.InvariantCulture, $"<h2>Policies on {comparison.Prompts} prompts</h2>\n");
        Table(page, ["policy", "reward ± standard error", "tokens", "finished", "entropy, nats a token", "KL from the reference ± standard error, nats"], comparison.Policies.Select(static one => (string[])
        [
            one.Name, WithError(one.MeanReward, one.RewardStandardError), Number(one.MeanTokens, "0.0"), Share(one.FinishedShare), Number(one.Entropy), WithError(one.Kl, one.KlStandardError),
        ]));
        if (comparison.WinRates.Count > 0)
        {
            string interval = FormattableString.Invariant($"{100 * comparison.WinRates[0].WinRate.Level:0.#} % interval");
            page.Append("<h3>Win rates</h3>\n");
            Table(page, ["pair", "won", "tied", "lost", "win rate, a tie as half", interval], comparison.WinRates.Select(static one => (string[])
            [
                $"{one.Policy} over {one.Other}", Number(one.WinRate.Wins, "0"), Number(one.WinRate.Ties, "0"), Number(one.WinRate.Losses, "0"), Share(one.WinRate.Rate), $"{Share(one.WinRate.Lower)} to {Share(one.WinRate.Upper)}",
            ]));
            page.Append(IntervalPicture.ToSvg([.. comparison.WinRates.Select(static one => ($"{one.Policy} over {one.Other}", one.WinRate.Rate, one.WinRate.Lower, one.WinRate.Upper))], $"win rate, {interval}", marked: 0.5));
            if (comparison.Ratings is { } ratings)
            {
                page.Append("<h3>Ratings (Bradley and Terry)</h3>\n");
                page.Append(IntervalPicture.ToSvg([.. ratings.Select(static one => (one.Player, one.Rating, one.Lower, one.Upper))], $"points, {interval}; 400 are odds of 10 to 1"));
            }
            else
            {
                page.Append("<p>A policy, or several of them, never lost to the others, so that there are no ratings.</p>\n");
            }
        }

        if (comparison.Policies.Count > 1 && comparison.Policies.All(static one => one.Kl is not null))
        {
            page.Append("<h3>Reward against divergence</h3>\n<p>A reward that falls, by another judge, while the divergence grows is over-optimised.</p>\n");
            Table(page, ["policy", "KL", "reward"], comparison.Policies.OrderBy(static one => one.Kl).Select(static one => (string[])[one.Name, Number(one.Kl), Number(one.MeanReward)]));
        }

        if (comparison.Samples.Count == 0) return;
        page.Append("<h3>Responses</h3>\n");
        Table(page, ["prompt", "policy", "response", "reward"], comparison.Samples.Select(static one => (string[])[one.Prompt, one.Policy, one.Response, Number(one.Reward)]), preformatted: true);
    }

    private static void Table(StringBuilder page, string[] header, IEnumerable<string[]> rows, bool preformatted = false)
    {
        page.Append("<table>\n<tr>").AppendJoin("", header.Select(static cell => $"<th>{Text(cell)}</th>")).Append("</tr>\n");
        foreach (string[] row in rows)
            page.Append("<tr>").AppendJoin("", row.Select((cell, i) => preformatted && i < row.Length - 1 ? $"<td><pre>{Text(cell)}</pre></td>" : i == 0 ? $"<td>{Text(cell)}</td>" : $"""<td class="number">{Text(cell)}</td>""")).Append("</tr>\n");
        page.Append("</table>\n");
    }

    private static string Text(string text) => WebUtility.HtmlEncode(text);

    private static string Number(double? value, string format = "0.000") => value?.ToString(format, CultureInfo.InvariantCulture) ?? "";

    private static string WithError(double? value, double? error) => value is null ? "" : $"{Number(value)}{SampleStatistics.PlusMinus(error ?? double.NaN, "0.000")}";

    private static string Share(double value, double error = double.NaN) => FormattableString.Invariant($"{value:P1}{SampleStatistics.PlusMinus(error, "P1")}");
}
