using System.Diagnostics;

namespace MLNet.Gpt;

/// <summary>Counts what updates do and how long they take, evaluations left out, since the last report.</summary>
internal sealed class RunMeter
{
    private readonly Stopwatch _clock = new();
    private long _tokens, _examples;
    private double _flops;

    /// <summary>Where an update's time goes; null where that is not measured.</summary>
    public StepTimer? Timer { get; set; }

    /// <summary>Tokens a second.</summary>
    public double TokensPerSecond => _tokens / Seconds;

    /// <summary>Examples a second; null where none are counted.</summary>
    public double? ExamplesPerSecond => _examples > 0 ? _examples / Seconds : null;

    /// <summary>The model's own operations a second.</summary>
    public double FlopsPerSecond => _flops / Seconds;

    private double Seconds => Math.Max(_clock.Elapsed.TotalSeconds, 1e-9);

    /// <summary>Runs the clock until what this returns is disposed; where it runs already, nothing changes.</summary>
    public Interval Run()
    {
        bool runs = _clock.IsRunning;
        _clock.Start();
        return new(runs ? null : _clock);
    }

    /// <summary>Counts an update.</summary>
    /// <param name="tokens">Its tokens.</param>
    /// <param name="examples">Its examples; 0 where there are none.</param>
    /// <param name="flops">The model's own operations.</param>
    public void Count(long tokens, int examples, double flops)
    {
        _tokens += tokens;
        _examples += examples;
        _flops += flops;
    }

    /// <summary>The parts of an update since the last call; null where they are not measured.</summary>
    public StepTimes? TakeStepTimes() => Timer?.Take();

    /// <summary>Begins anew.</summary>
    public void Reset()
    {
        (_tokens, _examples, _flops) = (0, 0, 0);
        _clock.Reset();
    }

    /// <summary>Stops the clock.</summary>
    public readonly struct Interval(Stopwatch? clock) : IDisposable
    {
        public void Dispose() => clock?.Stop();
    }
}
