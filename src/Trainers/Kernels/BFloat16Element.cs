using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MLNet.Gpt;

/// <summary>bfloat16: the upper half of a single.</summary>
internal readonly unsafe struct BFloat16Element : IElement
{
    public static int Size => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(void* values, nint index)
    {
        Vector256<ushort> half = Vector256.Load((ushort*)values + index);
        if (Avx512F.IsSupported) return (Avx512F.ConvertToVector512UInt32(half) << 16).AsSingle();
        (Vector256<uint> lower, Vector256<uint> upper) = Vector256.Widen(half);
        return (Vector512.Create(lower, upper) << 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(void* values, nint index, Vector512<float> value)
    {
        // Adding half a unit of the last place, less one where that place is even, carries into the upper half. A NaN's lower half could
        // carry into its exponent, so that it takes the quiet one instead.
        Vector512<uint> bits = value.AsUInt32();
        Vector512<uint> even = (bits >>> 16) & Vector512<uint>.One;
        Vector512<uint> rounded = (bits + Vector512.Create(0x7FFFu) + even) >>> 16;
        rounded = Vector512.ConditionalSelect(Vector512.Equals(value, value).AsUInt32(), rounded, Vector512.Create(0x7FC0u));
        Vector256<ushort> half = Avx512F.IsSupported
            ? Avx512F.ConvertToVector256UInt16(rounded)
            : Vector256.Narrow(rounded.GetLower(), rounded.GetUpper());
        half.Store((ushort*)values + index);
    }

    public static float LoadOne(void* values, nint index) => BitConverter.UInt32BitsToSingle((uint)((ushort*)values)[index] << 16);

    public static void StoreOne(void* values, nint index, float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        ((ushort*)values)[index] = float.IsNaN(value) ? (ushort)0x7FC0 : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
