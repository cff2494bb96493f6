using System.Globalization;
using System.Net;
using System.Text;
using MLNet.Gpt;

namespace Alignment;

/// <summary>The report of a run: one page of HTML with pictures inside, nothing from elsewhere.</summary>
internal static class Report
{
    private const double Width = 640, Height = 240, Left = 60, Bottom = 40, Top = 30;

    private static readonly string[] Colours = ["#4878a8", "#c04830"];

    public static string Of(SignatureTask task, AlignmentRun.Outcome outcome)
    {
        var page = new StringBuilder();
        Add($"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Alignment</title>""");
        Add($"""<style>body{"{"}font-family:sans-serif;max-width:60em;margin:2em auto;padding:0 1em{"}"}table{"{"}border-collapse:collapse{"}"}td,th{"{"}border:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top{"}"}</style></head><body>""");
        Add($"""<h1>From a base model to an aligned policy</h1><p>Writing the summary of a .NET member from its signature: {task.FineTuning.Count:N0} members to fine-tune on, {task.Reward.Count:N0} with graded summaries, {task.Prompts.Count:N0} prompts, {task.Test.Count:N0} held out.</p><table>""");
        Row("reward model, pair accuracy on held-out prompts", $"{outcome.RewardModel.Accuracy:P1}");
        Row("the same by the length alone", $"{outcome.LengthAccuracy:P1}");
        Row("judge (a reward model of other data), pair accuracy", $"{outcome.JudgeModel.Accuracy:P1}");
        Row("policy preferred to the fine-tuned model, by the judge", $"{outcome.Wins}");
        Row("the same by the reward model that it was trained towards", $"{outcome.OwnWins}");
        Row("KL from the fine-tuned model, nats a response", $"{outcome.Kl:F2}");
        Row("characters of a response, policy and fine-tuned model", $"{outcome.Length:F0}, {outcome.StartLength:F0}");
        Row("language-model loss on held-out text: fine-tuned", $"{outcome.LossStart:F3}");
        Row("after PPO with the pretraining mix", $"{outcome.LossPtx:F3} ({outcome.LossPtx - outcome.LossStart:+0.000;-0.000})");
        Row("after PPO without it", $"{outcome.LossPpo:F3} ({outcome.LossPpo - outcome.LossStart:+0.000;-0.000})");
        Add($"</table>");
        foreach ((string name, string title) in (ReadOnlySpan<(string, string)>)[("objective/scores", "score of a rollout's responses"), ("objective/kl", "KL from the reference, nats a response"), ("policy/entropy_avg", "entropy of the next token, nats"), ("loss/value_avg", "value loss")])
            Add($"<h2>{title}</h2>{Curve(name, outcome)}");
        Add($"""<h2>Samples</h2><p>The first twelve held-out members, whatever came out.</p><table><tr><th>signature and documentation</th><th>fine-tuned, judge's score</th><th>policy, judge's score</th></tr>""");
        foreach (AlignmentRun.Sample sample in outcome.Samples.Take(12))
            Add($"<tr><td><b>{Text(sample.Member.Signature)}</b>{Text(sample.Member.Summary)}</td><td>{Text(sample.Start)} ({sample.StartScore:F2})</td><td>{Text(sample.Policy)} ({sample.PolicyScore:F2})</td></tr>");
        Add($"</table></body></html>");
        return page.ToString();

        void Row(string name, FormattableString value) => Add($"<tr><td>{name}</td><td>{value.ToString(CultureInfo.InvariantCulture)}</td></tr>");

        void Add(FormattableString line) => page.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
    }

    private static string Text(string text) => WebUtility.HtmlEncode(text);

    /// <summary>A metric over the updates: with the mix in blue, without in red.</summary>
    private static string Curve(string name, AlignmentRun.Outcome outcome)
    {
        TrainingProgress[][] runs = [[.. outcome.Ptx.Where(Has)], [.. outcome.Ppo.Where(Has)]];
        double[] values = [.. runs.SelectMany(run => run.Select(Value))];
        if (values.Length == 0) return "<p>no report</p>";
        double low = values.Min(), high = Math.Max(values.Max(), low + 1e-9), last = runs.Max(static run => run.Length > 0 ? run[^1].Step : 1);
        double X(int step) => Left + (step / last * (Width - Left - 20));
        double Y(double value) => Top + ((high - value) / (high - low) * (Height - Top - Bottom));
        var svg = new StringBuilder();
        Add($"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" width="{Width}" font-family="sans-serif" font-size="12">""");
        foreach (double value in (ReadOnlySpan<double>)[low, (low + high) / 2, high])
            Add($"""<line x1="{Left}" x2="{Width - 20}" y1="{Y(value):F1}" y2="{Y(value):F1}" stroke="#ddd"/><text x="{Left - 6}" y="{Y(value) + 4:F1}" text-anchor="end">{value:G3}</text>""");
        for (int i = 0; i < runs.Length; i++)
        {
            Add($"""<polyline points="{string.Join(' ', runs[i].Select(p => FormattableString.Invariant($"{X(p.Step):F1},{Y(Value(p)):F1}")))}" fill="none" stroke="{Colours[i]}" stroke-width="1.5"/>""");
            Add($"""<text x="{Left + (i * 200)}" y="18" fill="{Colours[i]}">{(i == 0 ? "with the pretraining mix" : "reward alone")}</text>""");
        }

        Add($"""<text x="{Width / 2}" y="{Height - 8}" text-anchor="middle">updates, to {last:0}</text></svg>""");
        return svg.ToString();

        bool Has(TrainingProgress report) => report.Metrics?.ContainsKey(name) == true;

        double Value(TrainingProgress report) => report.Metrics![name];

        void Add(FormattableString line) => svg.Append(line.ToString(CultureInfo.InvariantCulture));
    }
}
