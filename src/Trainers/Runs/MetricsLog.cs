using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>
/// Keeps <c>metrics.jsonl</c>, one JSON object a report, and draws <c>loss.svg</c> beside it. A line is on disk when
/// <see cref="Add"/> returns.
/// </summary>
internal sealed class MetricsLog(string folder)
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    private string LinesPath => Path.Combine(folder, "metrics.jsonl");

    /// <summary>Appends one report.</summary>
    /// <exception cref="DiskFullException">There is no room.</exception>
    /// <exception cref="FolderNotWritableException">The file can't be written.</exception>
    public void Add(TrainingProgress progress) => Write(LinesPath, path => File.AppendAllText(path, ToLine(progress)));

    /// <summary>Begins anew: a run that was killed before its first checkpoint may have left reports.</summary>
    public void Clear() => File.Delete(LinesPath);

    /// <summary>Reads the reports that a checkpoint's state has behind it, and drops the others from the file: the resumed run will write them again.</summary>
    /// <exception cref="CorruptFileException">The first line is not a report.</exception>
    public IReadOnlyList<TrainingProgress> Resume(TrainingState state)
    {
        var kept = new List<TrainingProgress>();
        if (!File.Exists(LinesPath)) return kept;
        foreach (string line in File.ReadLines(LinesPath))
        {
            TrainingProgress progress;
            try
            {
                Line values = JsonSerializer.Deserialize<Line>(line, Json)!;
                progress = new(values.Step, values.MaxSteps, values.Tokens, values.Loss ?? double.NaN, values.LearningRate, values.GradientNorm ?? double.NaN,
                    values.TokensPerSecond, values.ValidationLoss, TimeSpan.FromSeconds(values.ElapsedSeconds), TimeSpan.Zero)
                {
                    BitsPerByte = values.BitsPerByte,
                    ModelFlopsUtilization = values.ModelFlopsUtilization,
                    PeakMemoryBytes = values.PeakMemoryBytes,
                    LossSpikes = values.LossSpikes,
                    SkippedUpdates = values.SkippedUpdates,
                    StepTimes = values.StepTimes,
                };
            }
            catch (JsonException) when (kept.Count > 0)
            {
                break;   // a line that a killed run left unfinished
            }
            catch (JsonException e)
            {
                throw new CorruptFileException(LinesPath, $"its first line is not a report ({e.Message})", "Delete the file; the checkpoints don't need it.", e);
            }

            if (progress.Step > state.ReportedStep) break;
            kept.Add(progress);
        }

        AtomicFile.Write(LinesPath, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(string.Concat(kept.Select(ToLine)))));
        return kept;
    }

    /// <summary>Draws the curve of all reports so far.</summary>
    /// <exception cref="DiskFullException">There is no room.</exception>
    /// <exception cref="FolderNotWritableException">The file can't be written.</exception>
    public void Draw(IReadOnlyList<TrainingProgress> history) =>
        Write(Path.Combine(folder, "loss.svg"), path => File.WriteAllText(path, LossCurve.ToSvg(history)));

    private static void Write(string path, Action<string> write)
    {
        try
        {
            write(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw IOErrors.OnWriting(e, path, Path.GetDirectoryName(path)!);
        }
    }

    private static string ToLine(TrainingProgress progress) => JsonSerializer.Serialize(
        new Line(progress.Step, progress.MaxSteps, progress.Tokens, Finite(progress.Loss), progress.ValidationLoss, Finite(progress.Perplexity), progress.LearningRate,
            Finite(progress.GradientNorm), progress.TokensPerSecond, Math.Round(progress.Elapsed.TotalSeconds, 3),
            progress.BitsPerByte, progress.ModelFlopsUtilization, progress.PeakMemoryBytes, progress.LossSpikes, progress.SkippedUpdates, progress.StepTimes), Json) + "\n";

    /// <summary>JSON has no NaN and no infinity.</summary>
    private static double? Finite(double value) => double.IsFinite(value) ? value : null;

    private sealed record Line(int Step, int MaxSteps, long Tokens, double? Loss, double? ValidationLoss, double? Perplexity, double LearningRate,
        double? GradientNorm, double TokensPerSecond, double ElapsedSeconds, double? BitsPerByte, double? ModelFlopsUtilization, long? PeakMemoryBytes,
        int LossSpikes, int SkippedUpdates, StepTimes? StepTimes);
}
