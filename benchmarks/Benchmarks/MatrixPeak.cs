using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Benchmarks;

/// <summary>The arithmetic rate that this machine's libtorch reaches in a matrix product, measured in the same run as what is compared with it.</summary>
internal static class MatrixPeak
{
    private const int Size = 2_048;

    private const double Seconds = 1;

    /// <summary>2·n³ operations over the time of a product of n = 2,048, in operations a second: of the quickest product, and of the median one. A machine that
    /// others share changes its speed from second to second; the median has seen that as the median of a run's steps has, the quickest has not.</summary>
    public static (double Best, double Median) Measure(ScalarType type)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor a = randn(Size, Size).to(type), b = randn(Size, Size).to(type);
        var times = new List<double>();
        var all = Stopwatch.StartNew();
        while (times.Count < 8 || all.Elapsed.TotalSeconds < Seconds)
        {
            var clock = Stopwatch.StartNew();
            using Tensor c = a.mm(b);
            times.Add(clock.Elapsed.TotalSeconds);   // a CPU's product is done when the call returns
        }

        times.Sort();
        return (Rate(times[0]), Rate(times[times.Count / 2]));

        static double Rate(double seconds) => 2.0 * Size * Size * Size / seconds;
    }
}
