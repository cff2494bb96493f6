using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Moves numbers out of tensors in one copy; TorchSharp's accessors go element by element.</summary>
internal static class TensorValues
{
    /// <summary>Copies a tensor's numbers, row-major, as float32.</summary>
    /// <param name="tensor">Any shape, device and floating-point type.</param>
    /// <param name="destination">As many elements as the tensor has.</param>
    public static void CopyFloatsTo(this Tensor tensor, Span<float> destination) => CopyFloatsTo(tensor, destination, 1 << 28);

    /// <summary>The same in pieces of a length: a tensor's bytes may be more than a span counts.</summary>
    internal static void CopyFloatsTo(this Tensor tensor, Span<float> destination, int piece)
    {
        using var scope = NewDisposeScope();
        Tensor contiguous = tensor.to(ScalarType.Float32).cpu().contiguous();   // sync: where the tensor is on a GPU
        if (destination.Length <= piece)
        {
            MemoryMarshal.Cast<byte, float>(contiguous.bytes).CopyTo(destination);
            return;
        }

        Tensor flat = contiguous.flatten();
        for (int at = 0; at < destination.Length; at += piece)
        {
            int length = Math.Min(piece, destination.Length - at);
            MemoryMarshal.Cast<byte, float>(flat.narrow(0, at, length).bytes).CopyTo(destination[at..]);
        }
    }
}
