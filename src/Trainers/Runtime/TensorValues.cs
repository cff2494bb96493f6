using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Moves numbers out of tensors in one copy; TorchSharp's accessors go element by element.</summary>
internal static class TensorValues
{
    /// <summary>Copies a tensor's numbers, row-major, as float32.</summary>
    /// <param name="tensor">Any shape, device and floating-point type; at most 2^29 - 1 elements.</param>
    /// <param name="destination">As many elements as the tensor has.</param>
    public static void CopyFloatsTo(this Tensor tensor, Span<float> destination)
    {
        using var scope = NewDisposeScope();
        Tensor contiguous = tensor.to(ScalarType.Float32).cpu().contiguous();   // sync: where the tensor is on a GPU
        MemoryMarshal.Cast<byte, float>(contiguous.bytes).CopyTo(destination);
    }
}
