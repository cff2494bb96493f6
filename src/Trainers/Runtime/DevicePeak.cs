using System.Collections.Concurrent;
using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The arithmetic rate of a device, measured by matrix products: what a model's use of it is compared with.</summary>
/// <remarks>May be called from several threads.</remarks>
internal static class DevicePeak
{
    private const int LargestSize = 8_192;

    private static readonly ConcurrentDictionary<(GptDevice Device, GptPrecision Precision, bool Tf32, int Threads), double> s_known = [];

    /// <summary>
    /// Floating-point operations per second of the best of several square products, by each engine that the network's own products go to; measured once a process for each number of threads, which takes
    /// about a fifth of a second for each size of product.
    /// </summary>
    public static double Measure(GptDevice device, GptPrecision precision) => s_known.GetOrAdd(KeyOf(device, precision), static key => Best(key.Device, key.Precision));

    /// <summary>Measures once more, where a run was faster than what was measured: other work may have had the device then.</summary>
    /// <returns>The larger of the two.</returns>
    public static double MeasureAgain(GptDevice device, GptPrecision precision)
    {
        double now = Best(device, precision);
        return s_known.AddOrUpdate(KeyOf(device, precision), now, (_, before) => Math.Max(before, now));
    }

    /// <summary>For tests: what is taken for measured.</summary>
    internal static void Set(GptDevice device, GptPrecision precision, double flops) => s_known[KeyOf(device, precision)] = flops;

    private static (GptDevice, GptPrecision, bool, int) KeyOf(GptDevice device, GptPrecision precision) =>
        (device, precision, device.IsCuda && backends.cuda.matmul.allow_tf32, device.IsCuda ? 0 : get_num_threads());

    private static double Best(GptDevice device, GptPrecision precision)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Device torchDevice = TorchRuntime.Open(device);
        ScalarType type = precision == GptPrecision.BFloat16 ? ScalarType.BFloat16 : ScalarType.Float32;
        double best = 0;

        // Many cores are not busy with a small product: larger ones are tried until one takes 10 ms.
        for (int size = device.IsCuda ? LargestSize : 1_024; size <= LargestSize; size *= 2)
        {
            using var sized = NewDisposeScope();
            Tensor a = TensorArithmetic.Filled([size, size], 0.5, type, torchDevice), b = TensorArithmetic.Filled([size, size], 0.25, type, torchDevice);
            double seconds = Fastest(() => MatrixProduct.Of(a, b));
            if (MatrixProduct.EngineOf(a, b) != ProductEngine.LibTorch) seconds = Math.Min(seconds, Fastest(() => a.mm(b)));
            best = Math.Max(best, 2.0 * size * size * size / seconds);
            if (seconds > 0.01) break;
        }

        return best;
    }

    private static double Fastest(Func<Tensor> product)
    {
        double fastest = double.MaxValue;
        long begin = Stopwatch.GetTimestamp();
        for (int i = 0; i < 4 || (i < 100 && Stopwatch.GetElapsedTime(begin).TotalSeconds < 0.2); i++)
        {
            using var run = NewDisposeScope();
            long start = Stopwatch.GetTimestamp();
            _ = product().narrow(0, 0, 1).narrow(1, 0, 1).to(ScalarType.Float32).item<float>();   // sync: the product has to be over
            fastest = Math.Min(fastest, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return fastest;
    }
}
