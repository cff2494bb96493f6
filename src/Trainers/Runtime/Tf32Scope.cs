using TorchSharp;

namespace MLNet.Gpt;

/// <summary>Whether float32 matrix products on CUDA may use TF32, until disposed; libtorch has one setting for the process.</summary>
internal sealed class Tf32Scope : IDisposable
{
    private readonly bool? _before;

    private Tf32Scope(bool? before) => _before = before;

    /// <summary>Settles it for work on a device.</summary>
    /// <param name="allow">Whether TF32 may be used.</param>
    /// <param name="device">Where the work runs.</param>
    /// <exception cref="DeviceUnavailableException">TF32 was asked for on a CPU.</exception>
    public static Tf32Scope Enter(bool allow, GptDevice device)
    {
        if (!device.IsCuda)
        {
            if (allow)
                throw new DeviceUnavailableException(device, "AllowTf32 is true, and TF32 is a number format of NVIDIA GPUs.", "Set AllowTf32 to false, or train on GptDevice.Cuda().");
            return new(null);
        }

        TorchRuntime.Initialize();
        bool before = torch.backends.cuda.matmul.allow_tf32;
        torch.backends.cuda.matmul.allow_tf32 = allow;
        return new(before);
    }

    /// <summary>Sets back what was there before.</summary>
    public void Dispose()
    {
        if (_before is { } before) torch.backends.cuda.matmul.allow_tf32 = before;
    }
}
