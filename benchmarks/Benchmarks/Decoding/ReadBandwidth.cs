using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace MLNet.Gpt.Benchmarks;

/// <summary>How fast all cores together read memory: what bounds the decoding of one row.</summary>
internal static class ReadBandwidth
{
    /// <summary>Bytes a second, the best of several passes over more than a cache holds, in one stream a core and in eight.</summary>
    public static double Measure()
    {
        float[] numbers = new float[128 << 20];
        numbers.AsSpan().Fill(1);
        int threads = Environment.ProcessorCount, part = numbers.Length / threads;
        double best = double.PositiveInfinity;
        for (int pass = 0; pass < 8; pass++)
        {
            int streams = pass % 2 == 0 ? 1 : 8;
            var clock = Stopwatch.StartNew();
            float[] sums = new float[threads];
            Parallel.For(0, threads, thread => sums[thread] = Sum(numbers.AsSpan(thread * part, part), streams));
            best = Math.Min(best, clock.Elapsed.TotalSeconds);
            if (sums.Sum() <= 0) throw new InvalidOperationException("The sums were not computed.");
        }

        return numbers.Length * (double)sizeof(float) / best;
    }

    // Compiled for good at its first call: a pass of code that is not takes longer than memory does. One stream leaves some memories idle, several are more than others follow.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Sum(ReadOnlySpan<float> numbers, int streams)
    {
        ReadOnlySpan<Vector<float>> vectors = MemoryMarshal.Cast<float, Vector<float>>(numbers);
        int part = vectors.Length / streams / 4 * 4;
        Vector<float> a = Vector<float>.Zero, b = a, c = a, d = a;
        for (int i = 0; i < part; i += 4)
        {
            for (int start = i; start < part * streams; start += part)
            {
                // Four chains of additions, so that memory is waited for and not the adder.
                a += vectors[start];
                b += vectors[start + 1];
                c += vectors[start + 2];
                d += vectors[start + 3];
            }
        }

        return Vector.Sum(a + b + c + d);
    }
}
