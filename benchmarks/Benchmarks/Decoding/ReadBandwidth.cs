using System.Diagnostics;
using System.Numerics;

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

    private static float Sum(ReadOnlySpan<float> numbers)
    {
        // Four chains of additions, so that memory is waited for and not the adder.
        Vector<float> a = Vector<float>.Zero, b = a, c = a, d = a;
        int width = Vector<float>.Count;
        for (int i = 0; i + (4 * width) <= numbers.Length; i += 4 * width)
        {
            a += new Vector<float>(numbers[i..]);
            b += new Vector<float>(numbers[(i + width)..]);
            c += new Vector<float>(numbers[(i + (2 * width))..]);
            d += new Vector<float>(numbers[(i + (3 * width))..]);
        }

        return Vector.Sum(a + b + c + d);
    }
}
