using System.Collections.Concurrent;
using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The arithmetic rate of a device, measured by matrix products: what a model's use of it is compared with.</summary>
internal static class DevicePeak
{
    private static readonly ConcurrentDictionary<(GptDevice Device, GptPrecision Precision, bool Tf32), double> Known = [];

    /// <summary>Floating-point operations per second of the best of several square products; measured once a process, which takes about a fifth of a second.</summary>
    public static double Measure(GptDevice device, GptPrecision precision) => Known.GetOrAdd((device, precision, device.IsCuda && backends.cuda.matmul.allow_tf32), static key =>
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Device torchDevice = TorchRuntime.Open(key.Device);
        int size = key.Device.IsCuda ? 8_192 : 1_024;
        ScalarType type = key.Precision == GptPrecision.BFloat16 ? ScalarType.BFloat16 : ScalarType.Float32;
        Tensor a = TensorArithmetic.Filled([size, size], 0.5, type, torchDevice), b = TensorArithmetic.Filled([size, size], 0.25, type, torchDevice);
        double best = 0;
        long begin = Stopwatch.GetTimestamp();
        for (int i = 0; i < 4 || (i < 100 && Stopwatch.GetElapsedTime(begin).TotalSeconds < 0.2); i++)
        {
            using var run = NewDisposeScope();
            long start = Stopwatch.GetTimestamp();
            _ = a.mm(b).narrow(0, 0, 1).narrow(1, 0, 1).to(ScalarType.Float32).item<float>();   // sync: the product has to be over
            best = Math.Max(best, 2.0 * size * size * size / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best;
    });
}
