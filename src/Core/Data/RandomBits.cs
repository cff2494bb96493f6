namespace MLNet.Gpt;

/// <summary>Random-looking numbers computed from a key, the same on every machine and in every version of .NET.</summary>
internal static class RandomBits
{
    /// <summary>One step of SplitMix64 (Steele, Lea and Flood 2014): a bijection of the 64-bit numbers that mixes all bits.</summary>
    public static ulong Mix(ulong value)
    {
        unchecked
        {
            value += 0x9E3779B97F4A7C15;
            value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
            value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
            return value ^ (value >> 31);
        }
    }

    /// <summary>Maps 64 random bits to 0 .. <paramref name="count"/> - 1; the bias is below count / 2^64.</summary>
    public static ulong Below(ulong bits, ulong count) => Math.BigMul(bits, count, out _);

    /// <summary>Maps 64 random bits to [0, 1).</summary>
    public static double Fraction(ulong bits) => (bits >> 11) * (1.0 / (1UL << 53));
}
