using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>What the kernels of 512-bit vectors share.</summary>
internal static unsafe class VectorMath
{
    /// <summary>
    /// e^x for x of [-87, 88], outside of which it is taken for the nearer end: 2ⁿ·e^f with |f| ≤ ½·ln 2, e^f by its Taylor polynomial of degree 7
    /// (the term after it is below 6e-9). .NET's own goes by way of float64 and takes twice as long.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x)
    {
        // ln 2 in two parts, the first with few enough bits that n times it is exact.
        const float LogE = 1.44269504f, Upper = 0.693359375f, Lower = -2.12194440e-4f;
        x = Vector512.MaxNative(Vector512.MinNative(x, Vector512.Create(88f)), Vector512.Create(-87f));
        Vector512<float> n = Vector512.Round(x * LogE);
        Vector512<float> f = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Lower), Vector512.FusedMultiplyAdd(n, Vector512.Create(-Upper), x));
        Vector512<float> sum = Vector512.Create(1f / 5_040);
        sum = Vector512.FusedMultiplyAdd(sum, f, Vector512.Create(1f / 720));
        sum = Vector512.FusedMultiplyAdd(sum, f, Vector512.Create(1f / 120));
        sum = Vector512.FusedMultiplyAdd(sum, f, Vector512.Create(1f / 24));
        sum = Vector512.FusedMultiplyAdd(sum, f, Vector512.Create(1f / 6));
        sum = Vector512.FusedMultiplyAdd(sum, f, Vector512.Create(0.5f));
        sum = Vector512.FusedMultiplyAdd(sum, f, Vector512<float>.One);
        sum = Vector512.FusedMultiplyAdd(sum, f, Vector512<float>.One);
        return sum * ((Vector512.ConvertToInt32Native(n) + Vector512.Create(127)) << 23).AsSingle();   // 2ⁿ by its exponent bits
    }

    /// <summary>Where the numbers of a contiguous tensor on the CPU lie. The caller keeps the tensor alive.</summary>
    public static nint Address(Tensor tensor)
    {
        using Tensor flat = tensor.view(-1), first = flat.narrow(0, 0, 1);
        return (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));
    }
}
