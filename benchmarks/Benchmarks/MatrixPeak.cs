using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Benchmarks;

/// <summary>The arithmetic rate that this machine's libtorch reaches in a matrix product, measured in the same run as what is compared with it.</summary>
internal static class MatrixPeak
{
    private const int Size = 2_048;

    /// <summary>2·n³ operations over the best of several products of n = 2,048, in operations a second.</summary>
    public static double Measure(ScalarType type)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor a = randn(Size, Size).to(type), b = randn(Size, Size).to(type);
        double best = double.PositiveInfinity;
        for (int i = 0; i < 8; i++)
        {
            var clock = Stopwatch.StartNew();
            using Tensor c = a.mm(b);
            best = Math.Min(best, clock.Elapsed.TotalSeconds);   // a CPU's product is done when the call returns
        }

        return 2.0 * Size * Size * Size / best;
    }
}
