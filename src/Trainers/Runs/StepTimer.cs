using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

internal enum StepPart
{
    Forward,
    Backward,
    Optimizer,
    Data,
}

/// <summary>Splits the time of updates into parts. Off, it does nothing; on, it waits for a GPU after each part.</summary>
internal sealed class StepTimer(bool on, Device device)
{
    private readonly long[] _ticks = new long[4];
    private long _start, _last, _total;
    private int _steps;

    /// <summary>An update begins.</summary>
    public void Begin()
    {
        if (on) _start = _last = Now();
    }

    /// <summary>What came since <see cref="Begin"/> or the last part was of no part.</summary>
    public void Skip()
    {
        if (on) _last = Now();
    }

    /// <summary>What came since the last call was this part.</summary>
    public void Done(StepPart part)
    {
        if (!on) return;
        long now = Now();
        _ticks[(int)part] += now - _last;
        _last = now;
    }

    /// <summary>The update ends.</summary>
    public void End()
    {
        if (!on) return;
        _total += Now() - _start;
        _steps++;
    }

    /// <summary>The means since the last call; null where it is off or there was no update.</summary>
    public StepTimes? Take()
    {
        if (_steps == 0) return null;
        var times = new StepTimes(Mean(_ticks[0]), Mean(_ticks[1]), Mean(_ticks[2]), Mean(_ticks[3]), Mean(_total - _ticks.Sum()));
        Array.Clear(_ticks);
        (_total, _steps) = (0, 0);
        return times;

        double Mean(long ticks) => 1000.0 * ticks / Stopwatch.Frequency / _steps;
    }

    private long Now()
    {
        if (device.type == DeviceType.CUDA) cuda.synchronize(device);   // sync: the part has to be over
        return Stopwatch.GetTimestamp();
    }
}
