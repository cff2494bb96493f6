using System.Numerics;

namespace MLNet.Gpt;

/// <summary>
/// A keyed permutation of 0 .. Count - 1 that is computed element by element: a balanced Feistel network (Luby and Rackoff 1988)
/// over the next even number of bits, walked on until it falls below Count (Black and Rogaway 2002, "cycle walking").
/// </summary>
/// <remarks>
/// Six rounds of a 64-bit mixing function. At least eight bits are permuted, so that small counts are shuffled as well as large
/// ones; the walk takes four steps on average at most, or 256 / Count below 64.
/// </remarks>
internal readonly struct FeistelPermutation
{
    private const int Rounds = 6;
    private readonly int _halfBits;
    private readonly ulong _key;

    public FeistelPermutation(long count, ulong key)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        Count = count;
        _key = key;
        int bits = 64 - BitOperations.LeadingZeroCount((ulong)count - 1);
        _halfBits = Math.Max(4, (bits + 1) / 2);
    }

    public long Count { get; }

    public long this[long index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            ulong value = (ulong)index;
            do value = Permute(value);
            while (value >= (ulong)Count);
            return (long)value;
        }
    }

    private ulong Permute(ulong value)
    {
        ulong mask = (1UL << _halfBits) - 1;
        ulong left = value >> _halfBits, right = value & mask;
        for (int round = 0; round < Rounds; round++)
            (left, right) = (right, left ^ (RandomBits.Mix(right ^ RandomBits.Mix(_key + (ulong)round)) & mask));
        return (left << _halfBits) | right;
    }
}
