using System.Runtime.CompilerServices;

namespace MLNet.Gpt;

/// <summary>How numbers that are computed with as float32 lie in memory.</summary>
internal unsafe interface IVectorFormat
{
    /// <summary>The numbers of two vectors from element <paramref name="index"/>.</summary>
    static abstract (TVector First, TVector Second) Load<TVector>(nint address, long index)
        where TVector : unmanaged, IFloatVector<TVector>;

    /// <summary>Writes the numbers of two vectors from element <paramref name="index"/>.</summary>
    static abstract void Store<TVector>(nint address, long index, TVector first, TVector second)
        where TVector : unmanaged, IFloatVector<TVector>;
}

/// <summary>float32.</summary>
internal readonly unsafe struct SingleFormat : IVectorFormat
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (TVector First, TVector Second) Load<TVector>(nint address, long index)
        where TVector : unmanaged, IFloatVector<TVector> => (TVector.Load((float*)address + index), TVector.Load((float*)address + index + TVector.Count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TVector>(nint address, long index, TVector first, TVector second)
        where TVector : unmanaged, IFloatVector<TVector>
    {
        TVector.Store(first, (float*)address + index);
        TVector.Store(second, (float*)address + index + TVector.Count);
    }
}

/// <summary>bfloat16: the upper half of a float32, rounded to nearest, ties to even.</summary>
internal readonly unsafe struct BFloat16Format : IVectorFormat
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (TVector First, TVector Second) Load<TVector>(nint address, long index)
        where TVector : unmanaged, IFloatVector<TVector> => TVector.LoadBFloat16((ushort*)address + index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TVector>(nint address, long index, TVector first, TVector second)
        where TVector : unmanaged, IFloatVector<TVector> => TVector.StoreBFloat16(first, second, (ushort*)address + index);
}
