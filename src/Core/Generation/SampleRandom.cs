namespace MLNet.Gpt;

/// <summary>
/// The random numbers of one generated sequence: SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"),
/// started from a hash of the seed, the sample's index and the prompt's tokens. The numbers are the same on every machine and in every version of .NET.
/// </summary>
/// <remarks>A mutable value: pass it by reference. Belongs to one thread.</remarks>
internal struct SampleRandom
{
    private const ulong GoldenGamma = 0x9E3779B97F4A7C15; // 2^64 over the golden ratio, made odd

    private ulong _state;

    /// <summary>Starts the numbers of one sequence.</summary>
    /// <param name="seed">The user's seed.</param>
    /// <param name="sampleIndex">Which continuation of the prompt.</param>
    /// <param name="promptTokenIds">The prompt.</param>
    public SampleRandom(int seed, int sampleIndex, ReadOnlySpan<int> promptTokenIds)
    {
        ulong hash = Mix(GoldenGamma + (uint)seed);
        hash = Mix((hash ^ (uint)sampleIndex) + GoldenGamma);
        foreach (int id in promptTokenIds)
            hash = Mix((hash ^ (uint)id) + GoldenGamma);
        _state = hash;
    }

    /// <summary>The next 64 uniform bits.</summary>
    public ulong NextUInt64() => Mix(_state += GoldenGamma);

    /// <summary>The next uniform number in [0, 1), a multiple of 2^-53.</summary>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1UL << 53));

    // A bijection of 64 bits whose every output bit depends on every input bit (Stafford's thirteenth variant).
    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
