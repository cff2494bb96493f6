using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MLNet.Gpt;

/// <summary>Eight numbers, in a register of 256 bits (AVX2 with FMA).</summary>
internal readonly unsafe struct FloatVector8(Vector256<float> value) : IFloatVector<FloatVector8>
{
    private readonly Vector256<float> _value = value;

    public static int Count => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector8 operator +(FloatVector8 a, FloatVector8 b) => new(a._value + b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector8 operator -(FloatVector8 a, FloatVector8 b) => new(a._value - b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector8 operator *(FloatVector8 a, FloatVector8 b) => new(a._value * b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector8 operator /(FloatVector8 a, FloatVector8 b) => new(a._value / b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector8 Create(float value) => new(Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector8 Load(float* address) => new(Vector256.Load(address));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (FloatVector8 First, FloatVector8 Second) LoadBFloat16(ushort* address) => (Widened(address), Widened(address + 8));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(FloatVector8 x, float* address) => x._value.Store(address);

    // Packing puts the four quarters of the two vectors crosswise.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBFloat16(FloatVector8 first, FloatVector8 second, ushort* address) =>
        Avx2.Permute4x64(Avx2.PackUnsignedSaturate(UpperHalves(first._value), UpperHalves(second._value)).AsUInt64(), 0b11_01_10_00).AsUInt16().Store(address);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector8 FusedMultiplyAdd(FloatVector8 a, FloatVector8 b, FloatVector8 c) => new(Vector256.FusedMultiplyAdd(a._value, b._value, c._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector8 Max(FloatVector8 a, FloatVector8 b) => new(Vector256.Max(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector8 Clamp(FloatVector8 x, float least, float largest) => new(Vector256.MaxNative(Vector256.MinNative(x._value, Vector256.Create(largest)), Vector256.Create(least)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector8 Round(FloatVector8 x) => new(Vector256.Round(x._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector8 TimesPowerOf2(FloatVector8 x, FloatVector8 n) => new(x._value * ((Vector256.ConvertToInt32Native(n._value) + Vector256.Create(127)) << 23).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector8 First(FloatVector8 x, int count, float otherwise) =>
        new(Vector256.ConditionalSelect(Vector256.LessThan(Vector256<int>.Indices, Vector256.Create(count)).AsSingle(), x._value, Vector256.Create(otherwise)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(FloatVector8 x) => Vector256.Sum(x._value);

    public static float Largest(FloatVector8 x)
    {
        Vector128<float> half = Vector128.Max(x._value.GetLower(), x._value.GetUpper());
        return Math.Max(Math.Max(half[0], half[1]), Math.Max(half[2], half[3]));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector8 Log(FloatVector8 x) => new(Vector256.Log(x._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static FloatVector8 Widened(ushort* address) => new(Avx2.ShiftLeftLogical(Avx2.ConvertToVector256Int32(address), 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> UpperHalves(Vector256<float> x)
    {
        Vector256<uint> bits = x.AsUInt32();
        Vector256<uint> rounded = (bits + Vector256.Create(0x7FFFu) + ((bits >>> 16) & Vector256<uint>.One)) >>> 16;
        return Vector256.ConditionalSelect(Vector256.Equals(x, x).AsUInt32(), rounded, Vector256.Create(0x7FC0u)).AsInt32();
    }
}
