using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNet.Gpt;

/// <summary>How numbers that are computed with as float32 lie in memory.</summary>
internal unsafe interface IVectorFormat
{
    /// <summary>Numbers that are read or written at once: two vectors of float32, one of bfloat16.</summary>
    public const int Count = 32;

    /// <summary>The 32 numbers from element <paramref name="index"/>.</summary>
    static abstract (Vector512<float> First, Vector512<float> Second) Load(nint address, long index);

    /// <summary>Writes 32 numbers from element <paramref name="index"/>.</summary>
    static abstract void Store(nint address, long index, Vector512<float> first, Vector512<float> second);
}

/// <summary>float32.</summary>
internal readonly unsafe struct SingleFormat : IVectorFormat
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> First, Vector512<float> Second) Load(nint address, long index) =>
        (Vector512.Load((float*)address + index), Vector512.Load((float*)address + index + 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(nint address, long index, Vector512<float> first, Vector512<float> second)
    {
        first.Store((float*)address + index);
        second.Store((float*)address + index + 16);
    }
}

/// <summary>bfloat16: the upper half of a float32, rounded to nearest, ties to even.</summary>
internal readonly unsafe struct BFloat16Format : IVectorFormat
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> First, Vector512<float> Second) Load(nint address, long index)
    {
        (Vector512<uint> first, Vector512<uint> second) = Vector512.Widen(Vector512.Load((ushort*)address + index));
        return ((first << 16).AsSingle(), (second << 16).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(nint address, long index, Vector512<float> first, Vector512<float> second) =>
        Vector512.Narrow(Rounded(first), Rounded(second)).Store((ushort*)address + index);

    /// <summary>The upper 16 bits; a number that is none keeps a bit of its own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Rounded(Vector512<float> x)
    {
        Vector512<uint> bits = x.AsUInt32();
        Vector512<uint> rounded = (bits + Vector512.Create(0x7FFFu) + ((bits >>> 16) & Vector512<uint>.One)) >>> 16;
        return Vector512.ConditionalSelect(Vector512.Equals(x, x).AsUInt32(), rounded, Vector512.Create(0x7FC0u));
    }
}
