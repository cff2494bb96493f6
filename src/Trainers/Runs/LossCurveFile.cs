using System.Text;

namespace MLNet.Gpt;

/// <summary>Draws <c>loss.svg</c> after each evaluation and at the end.</summary>
internal sealed class LossCurveFile(string folder, string axis) : IMetricsSink
{
    public void Add(TrainingProgress report, IReadOnlyList<TrainingProgress> all)
    {
        if (report.ValidationLoss is not null) Complete(all);
    }

    /// <exception cref="DiskFullException">There is no room; the last picture is still there.</exception>
    /// <exception cref="FolderNotWritableException">The file can't be written.</exception>
    public void Complete(IReadOnlyList<TrainingProgress> all) =>
        AtomicFile.Write(Path.Combine(folder, "loss.svg"), stream => stream.Write(Encoding.UTF8.GetBytes(LossCurve.ToSvg(all, axis))));

    public void Dispose()
    {
    }
}
