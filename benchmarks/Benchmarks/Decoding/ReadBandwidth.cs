using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace MLNet.Gpt.Benchmarks;

/// <summary>How fast all cores together read memory: what bounds the decoding of one row.</summary>
internal static class ReadBandwidth
{
    /// <summary>Bytes a second, the best of several passes over more than a cache holds.</summary>
    public static double Measure()
    {
        float[] numbers = new float[128 << 20];
        numbers.AsSpan().Fill(1);
        int threads = Environment.ProcessorCount, part = numbers.Length / threads;
        double best = double.PositiveInfinity;
        for (int pass = 0; pass < 5; pass++)
        {
            var clock = Stopwatch.StartNew();
            float[] sums = new float[threads];
            Parallel.For(0, threads, thread => sums[thread] = Sum(numbers.AsSpan(thread * part, part)));
            best = Math.Min(best, clock.Elapsed.TotalSeconds);
            if (sums.Sum() <= 0) throw new InvalidOperationException("The sums were not computed.");
        }

        return numbers.Length * (double)sizeof(float) / best;
    }

    // Compiled for good at its first call: a pass of code that is not takes longer than memory does.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Sum(ReadOnlySpan<float> numbers)
    {
        // Four chains of additions, so that memory is waited for and not the adder.
        ReadOnlySpan<Vector<float>> vectors = MemoryMarshal.Cast<float, Vector<float>>(numbers);
        Vector<float> a = Vector<float>.Zero, b = a, c = a, d = a;
        for (int i = 0; i + 4 <= vectors.Length; i += 4)
        {
            a += vectors[i];
            b += vectors[i + 1];
            c += vectors[i + 2];
            d += vectors[i + 3];
        }

        return Vector.Sum(a + b + c + d);
    }
}
