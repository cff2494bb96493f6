using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNet.Gpt;

/// <summary>Sixteen numbers, in a register of 512 bits (AVX-512).</summary>
internal readonly unsafe struct FloatVector16(Vector512<float> value) : IFloatVector<FloatVector16>
{
    private readonly Vector512<float> _value = value;

    public static int Count => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector16 operator +(FloatVector16 a, FloatVector16 b) => new(a._value + b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector16 operator -(FloatVector16 a, FloatVector16 b) => new(a._value - b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector16 operator *(FloatVector16 a, FloatVector16 b) => new(a._value * b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector16 operator /(FloatVector16 a, FloatVector16 b) => new(a._value / b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector16 Create(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector16 Load(float* address) => new(Vector512.Load(address));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (FloatVector16 First, FloatVector16 Second) LoadBFloat16(ushort* address)
    {
        (Vector512<uint> first, Vector512<uint> second) = Vector512.Widen(Vector512.Load(address));
        return (new((first << 16).AsSingle()), new((second << 16).AsSingle()));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(FloatVector16 x, float* address) => x._value.Store(address);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBFloat16(FloatVector16 first, FloatVector16 second, ushort* address) => Vector512.Narrow(UpperHalves(first._value), UpperHalves(second._value)).Store(address);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector16 FusedMultiplyAdd(FloatVector16 a, FloatVector16 b, FloatVector16 c) => new(Vector512.FusedMultiplyAdd(a._value, b._value, c._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector16 Max(FloatVector16 a, FloatVector16 b) => new(Vector512.Max(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector16 Clamp(FloatVector16 x, float least, float largest) => new(Vector512.MaxNative(Vector512.MinNative(x._value, Vector512.Create(largest)), Vector512.Create(least)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector16 Round(FloatVector16 x) => new(Vector512.Round(x._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector16 TimesPowerOf2(FloatVector16 x, FloatVector16 n) => new(x._value * ((Vector512.ConvertToInt32Native(n._value) + Vector512.Create(127)) << 23).AsSingle());   // 2ⁿ by its exponent bits

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector16 First(FloatVector16 x, int count, float otherwise) =>
        new(Vector512.ConditionalSelect(Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(count)).AsSingle(), x._value, Vector512.Create(otherwise)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(FloatVector16 x) => Vector512.Sum(x._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(FloatVector16 x) => FloatVector8.Largest(new(Vector256.Max(x._value.GetLower(), x._value.GetUpper())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatVector16 Log(FloatVector16 x) => new(Vector512.Log(x._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> UpperHalves(Vector512<float> x)
    {
        Vector512<uint> bits = x.AsUInt32();
        Vector512<uint> rounded = (bits + Vector512.Create(0x7FFFu) + ((bits >>> 16) & Vector512<uint>.One)) >>> 16;
        return Vector512.ConditionalSelect(Vector512.Equals(x, x).AsUInt32(), rounded, Vector512.Create(0x7FC0u));
    }
}
