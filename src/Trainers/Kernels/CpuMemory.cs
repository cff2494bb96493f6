using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Gives the kernels the memory of tensors that lie on the CPU.</summary>
internal static class CpuMemory
{
    /// <summary>The address of a tensor's first element. It holds as long as the tensor does.</summary>
    /// <param name="tensor">On the CPU, contiguous, not empty.</param>
    /// <param name="columns">Elements of a row; at most 2^29.</param>
    /// <exception cref="ArgumentException">The tensor is not contiguous or on another device: a mistake of the caller's.</exception>
    public static unsafe void* AddressOf(Tensor tensor, long columns)
    {
        if (tensor.device_type != DeviceType.CPU || !tensor.is_contiguous())
            throw new ArgumentException($"A kernel for the CPU takes contiguous tensors in its memory; this one lies on {tensor.device}, {(tensor.is_contiguous() ? "" : "not ")}contiguous.", nameof(tensor));

        // TorchSharp gives out memory as a span, which is shorter than a large tensor: the first row's span tells where all of it is.
        using Tensor row = tensor.view(-1, columns).narrow(0, 0, 1);
        return Unsafe.AsPointer(ref MemoryMarshal.GetReference(row.bytes));
    }
}
