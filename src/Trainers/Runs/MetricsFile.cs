using System.Text;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>Keeps <c>metrics.jsonl</c>, one JSON object a report. A line is with the operating system when <see cref="Add"/> returns.</summary>
internal sealed class MetricsFile(string folder) : IMetricsSink
{
    private string LinesPath => Path.Combine(folder, "metrics.jsonl");

    /// <summary>Appends one report.</summary>
    /// <exception cref="DiskFullException">There is no room.</exception>
    /// <exception cref="FolderNotWritableException">The file can't be written.</exception>
    public void Add(TrainingProgress report, IReadOnlyList<TrainingProgress> all)
    {
        try
        {
            File.AppendAllText(LinesPath, MetricsJson.ToLine(report) + "\n");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw IOErrors.OnWriting(e, LinesPath, folder);
        }
    }

    /// <summary>Begins anew: a run that was killed before its first checkpoint may have left reports.</summary>
    /// <exception cref="FolderNotWritableException">The file can't be deleted.</exception>
    public void Clear()
    {
        try
        {
            File.Delete(LinesPath);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw IOErrors.OnWriting(e, LinesPath, folder);
        }
    }

    /// <summary>Reads the reports that a checkpoint's state has behind it, and drops the others from the file: the resumed run will write them again.</summary>
    /// <param name="reportedStep">The updates made at the last report that stays.</param>
    /// <exception cref="CorruptFileException">The first line is not a report.</exception>
    public IReadOnlyList<TrainingProgress> Resume(int reportedStep)
    {
        var kept = new List<TrainingProgress>();
        if (!File.Exists(LinesPath)) return kept;
        string[] lines = File.ReadAllText(LinesPath).Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            TrainingProgress report;
            try
            {
                report = MetricsJson.Parse(lines[i]);
            }
            catch (JsonException) when (kept.Count > 0 || i == lines.Length - 1)
            {
                break;   // nothing behind the last line, or one that a killed run or a full disk left unfinished
            }
            catch (JsonException e)
            {
                throw new CorruptFileException(LinesPath, $"its first line is not a report ({e.Message})", "Delete the file; the checkpoints don't need it.", e);
            }

            if (report.Step > reportedStep) break;
            kept.Add(report);
        }

        AtomicFile.Write(LinesPath, stream => stream.Write(Encoding.UTF8.GetBytes(string.Concat(kept.Select(static report => MetricsJson.ToLine(report) + "\n")))));
        return kept;
    }

    public void Complete(IReadOnlyList<TrainingProgress> all)
    {
    }

    public void Dispose()
    {
    }
}
