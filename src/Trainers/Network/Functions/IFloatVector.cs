using System.Numerics;
using System.Runtime.Intrinsics;

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
