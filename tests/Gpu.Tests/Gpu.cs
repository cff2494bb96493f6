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

    /// <summary>
    /// The device of ONNX Runtime's tests; ends the test as inconclusive, with the reason, where it can't use a GPU. <c>MLNET_GPT_GPU_TESTS=cpu</c> takes the CPU, which checks the tests themselves.
    /// </summary>
    /// <param name="package">A package to try it with.</param>
    public static GptDevice RequireOnnx(string package)
    {
        switch (Environment.GetEnvironmentVariable("MLNET_GPT_GPU_TESTS"))
        {
            case null or "": break;
            case "cpu": return GptDevice.Cpu;
            case var other: throw new InvalidOperationException($"MLNET_GPT_GPU_TESTS is '{other}'; it can be cpu, or unset for the GPU.");
        }

        try
        {
            OnnxCausalModel.Load(package, GptDevice.Cuda()).Dispose();
        }
        catch (Exception e) when (e is DeviceUnavailableException or NativeLibraryException)
        {
            Assert.Inconclusive($"ONNX Runtime can't use a CUDA GPU: {e.Message}");
        }

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
