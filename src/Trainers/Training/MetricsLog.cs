using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>
/// Writes <c>metrics.jsonl</c>, one JSON object a report, and <c>loss.svg</c> beside it. A line is on disk when
/// <see cref="Add"/> returns.
/// </summary>
internal sealed class MetricsLog(string folder)
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Appends one report.</summary>
    public void Add(TrainingProgress progress)
    {
        var line = new
        {
            progress.Step,
            progress.Tokens,
            progress.Loss,
            progress.ValidationLoss,
            progress.Perplexity,
            progress.LearningRate,
            progress.GradientNorm,
            progress.TokensPerSecond,
            ElapsedSeconds = Math.Round(progress.Elapsed.TotalSeconds, 3),
        };
        File.AppendAllText(Path.Combine(folder, "metrics.jsonl"), JsonSerializer.Serialize(line, Json) + "\n");
    }

    /// <summary>Draws the curve of all reports so far.</summary>
    public void Draw(IReadOnlyList<TrainingProgress> history) =>
        File.WriteAllText(Path.Combine(folder, "loss.svg"), LossCurve.ToSvg(history));
}
