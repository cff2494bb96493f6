using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNet.Gpt;

/// <summary>The exponential function of 16 numbers at once.</summary>
internal static class FastExp
{
    /// <summary>
    /// e^x to 1e-7 of its value: x = n·ln 2 + r, |r| ≤ ½ ln 2, so that e^x = 2^n·e^r, with e^r by its Taylor series to the seventh power
    /// (remainder below r⁸/8! = 5e-9). Below -87.3 the result is 1.2e-38 (near the smallest normal number) and above 88.7 it is infinite.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Of(Vector512<float> x)
    {
        // ln 2 in two parts: n times the first is exact.
        const float UpperLn2 = 0.693359375f, LowerLn2 = -2.12194440e-4f;
        Vector512<float> bounded = Vector512.Min(Vector512.Max(x, Vector512.Create(-87.3f)), Vector512.Create(88.8f));
        Vector512<float> n = Vector512.Round(bounded * Vector512.Create(1.44269504f));
        Vector512<float> r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-UpperLn2), bounded);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-LowerLn2), r);
        Vector512<float> p = Vector512.Create(1 / 5040f);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1 / 720f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1 / 120f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1 / 24f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1 / 6f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1 / 2f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512<float>.One);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512<float>.One);

        // 2^n in two factors, since 2^128 has no exponent of its own.
        Vector512<int> whole = Vector512.ConvertToInt32Native(n), half = whole >> 1;
        Vector512<float> first = ((half + Vector512.Create(127)) << 23).AsSingle();
        Vector512<float> second = ((whole - half + Vector512.Create(127)) << 23).AsSingle();
        return p * first * second;
    }
}
