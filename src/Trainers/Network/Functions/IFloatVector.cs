using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MLNet.Gpt;

/// <summary>
/// As many float32 numbers as a register of the processor holds: the kernels' loops are written once for all widths. .NET's own <see cref="Vector512{T}"/> may be
/// used where there are registers of 256 bits only, but calls a function for many an operation there.
/// </summary>
/// <typeparam name="TSelf">The vector itself.</typeparam>
internal unsafe interface IFloatVector<TSelf> : IAdditionOperators<TSelf, TSelf, TSelf>, ISubtractionOperators<TSelf, TSelf, TSelf>, IMultiplyOperators<TSelf, TSelf, TSelf>, IDivisionOperators<TSelf, TSelf, TSelf>
    where TSelf : unmanaged, IFloatVector<TSelf>
{
    /// <summary>Numbers of a vector.</summary>
    static abstract int Count { get; }

    /// <summary>The same number everywhere.</summary>
    static abstract TSelf Create(float value);

    /// <summary>The numbers at an address.</summary>
    static abstract TSelf Load(float* address);

    /// <summary>Twice <see cref="Count"/> numbers in bfloat16.</summary>
    static abstract (TSelf First, TSelf Second) LoadBFloat16(ushort* address);

    /// <summary>Writes the numbers.</summary>
    static abstract void Store(TSelf x, float* address);

    /// <summary>Writes the numbers of two vectors in bfloat16, rounded to nearest, ties to even; what is no number stays none.</summary>
    static abstract void StoreBFloat16(TSelf first, TSelf second, ushort* address);

    /// <summary>a·b + c, rounded once.</summary>
    static abstract TSelf FusedMultiplyAdd(TSelf a, TSelf b, TSelf c);

    /// <summary>The larger ones.</summary>
    static abstract TSelf Max(TSelf a, TSelf b);

    /// <summary>x, or the nearer end of the range that it lies outside of.</summary>
    static abstract TSelf Clamp(TSelf x, float least, float largest);

    /// <summary>The nearest whole numbers.</summary>
    static abstract TSelf Round(TSelf x);

    /// <summary>x·2ⁿ for whole n of [-126, 127].</summary>
    static abstract TSelf TimesPowerOf2(TSelf x, TSelf n);

    /// <summary>The first numbers, and another one in place of those behind them.</summary>
    /// <param name="x">The numbers.</param>
    /// <param name="count">How many stay, at least 0.</param>
    /// <param name="otherwise">What the others become.</param>
    static abstract TSelf First(TSelf x, int count, float otherwise);

    /// <summary>The numbers' sum.</summary>
    static abstract float Sum(TSelf x);

    /// <summary>The largest of the numbers.</summary>
    static abstract float Largest(TSelf x);

    /// <summary>The natural logarithms.</summary>
    static abstract TSelf Log(TSelf x);
}

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
