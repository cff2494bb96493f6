using TorchSharp;

namespace MLNet.Gpt.Gpu.Tests;

/// <summary>The GPU that these tests need.</summary>
internal static class Gpu
{
    /// <summary>The first CUDA device; ends the test as inconclusive, with the reason, where there is none.</summary>
    public static GptDevice Require()
    {
        bool available;
        try
        {
            available = torch.cuda.is_available();
        }
        catch (Exception e) when (e is DllNotFoundException or TypeInitializationException or NotSupportedException)
        {
            Assert.Inconclusive($"libtorch can't be loaded: {e.Message}");
            throw;
        }

        if (!available) Assert.Inconclusive("libtorch finds no CUDA GPU on this machine.");
        return GptDevice.Cuda();
    }

    /// <summary>The numbers of a tensor, wherever it is.</summary>
    public static float[] Numbers(torch.Tensor tensor) => [.. tensor.to(torch.ScalarType.Float32).cpu().contiguous().data<float>()];

    /// <summary>‖a − b‖ / ‖b‖.</summary>
    public static double RelativeError(float[] a, float[] b)
    {
        double difference = 0, size = 0;
        for (int i = 0; i < b.Length; i++)
        {
            difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
            size += (double)b[i] * b[i];
        }

        return Math.Sqrt(difference / size);
    }
}
