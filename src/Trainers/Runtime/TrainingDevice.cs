using Microsoft.ML;

namespace MLNet.Gpt;

/// <summary>Decides where an estimator trains.</summary>
internal static class TrainingDevice
{
    /// <summary>
    /// The device of the options; else the GPU that <see cref="MLContext.GpuDeviceId"/> asks for, or with
    /// <see cref="MLContext.FallbackToCpu"/> the CPU where that GPU isn't there; else a GPU where there is one; else the CPU.
    /// </summary>
    /// <exception cref="DeviceUnavailableException">A GPU was asked for that isn't there.</exception>
    public static GptDevice Resolve(GptDevice? device, MLContext context, Action<string> log)
    {
        if (device is { } chosen)
        {
            TorchRuntime.Open(chosen);
            return chosen;
        }

        if (context.GpuDeviceId is not { } index) return TorchRuntime.HasCuda() ? GptDevice.Cuda() : GptDevice.Cpu;
        try
        {
            TorchRuntime.Open(GptDevice.Cuda(index));
            return GptDevice.Cuda(index);
        }
        catch (DeviceUnavailableException e) when (context.FallbackToCpu)
        {
            log($"{e.Message} Training on the CPU, as MLContext.FallbackToCpu allows.");
            return GptDevice.Cpu;
        }
    }
}
