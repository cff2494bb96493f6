using System.Diagnostics;

namespace MLNet.Gpt.Benchmarks;

/// <summary>Times the steps of decoding: the first two warm up, and the median of the others counts for each, so that a hiccup of the machine does not.</summary>
internal sealed class StepClock(int steps)
{
    private readonly List<double> _seconds = [];
    private long _start;

    /// <summary>The seconds of all steps but the first two, each counted as the median.</summary>
    public double Seconds => _seconds.Skip(2).Order().ElementAt((_seconds.Count - 2) / 2) * steps;

    public void Begin() => _start = Stopwatch.GetTimestamp();

    public void End() => _seconds.Add(Stopwatch.GetElapsedTime(_start).TotalSeconds);
}
