using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>What the kernels by vectors share.</summary>
internal static unsafe class VectorMath
{
    /// <summary>Whether the processor has vectors of 512 bits (AVX-512), for which <see cref="FloatVector16"/> is taken.</summary>
    public static bool HasWide => Vector512.IsHardwareAccelerated && Avx512F.IsSupported;

    /// <summary>Whether it has vectors of 256 bits at least (AVX2), and multiplies and adds in one step.</summary>
    public static bool IsAvailable => HasWide || (Avx2.IsSupported && Fma.IsSupported);

    /// <summary>Whether vectors of 512 bits are taken: where the processor has them. Set by tests, to try the others there, too.</summary>
    public static bool IsWide { get; set; } = HasWide;

    /// <summary>
    /// e^x for x of [-87, 88], outside of which it is taken for the nearer end: 2ⁿ·e^f with |f| ≤ ½·ln 2, e^f by its Taylor polynomial of degree 7
    /// (the term after it is below 6e-9). .NET's own goes by way of float64 and takes twice as long.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Exp<TVector>(TVector x)
        where TVector : unmanaged, IFloatVector<TVector>
    {
        // ln 2 in two parts, the first with few enough bits that n times it is exact.
        const float LogE = 1.44269504f, Upper = 0.693359375f, Lower = -2.12194440e-4f;
        x = TVector.Clamp(x, -87, 88);
        TVector n = TVector.Round(x * TVector.Create(LogE));
        TVector f = TVector.FusedMultiplyAdd(n, TVector.Create(-Lower), TVector.FusedMultiplyAdd(n, TVector.Create(-Upper), x));
        TVector sum = TVector.Create(1f / 5_040);
        sum = TVector.FusedMultiplyAdd(sum, f, TVector.Create(1f / 720));
        sum = TVector.FusedMultiplyAdd(sum, f, TVector.Create(1f / 120));
        sum = TVector.FusedMultiplyAdd(sum, f, TVector.Create(1f / 24));
        sum = TVector.FusedMultiplyAdd(sum, f, TVector.Create(1f / 6));
        sum = TVector.FusedMultiplyAdd(sum, f, TVector.Create(0.5f));
        sum = TVector.FusedMultiplyAdd(sum, f, TVector.Create(1));
        sum = TVector.FusedMultiplyAdd(sum, f, TVector.Create(1));
        return TVector.TimesPowerOf2(sum, n);
    }

    /// <summary>Where the first number of a tensor on the CPU lies. The caller keeps the tensor alive.</summary>
    public static nint Address(Tensor tensor)
    {
        using Tensor first = tensor.as_strided([1], [1], tensor.storage_offset());
        return (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));
    }
}
