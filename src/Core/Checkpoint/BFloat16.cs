namespace MLNet.Gpt;

/// <summary>Turns float32 numbers into bfloat16 and back.</summary>
internal static class BFloat16
{
    /// <summary>The upper halves of float32 numbers, after rounding to the nearest, ties to even.</summary>
    public static void Round(ReadOnlySpan<float> numbers, Span<ushort> result)
    {
        for (int i = 0; i < numbers.Length; i++)
        {
            uint bits = BitConverter.SingleToUInt32Bits(numbers[i]);
            result[i] = float.IsNaN(numbers[i]) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
        }
    }

    /// <summary>The numbers that bfloat16's bits stand for.</summary>
    public static void Widen(ReadOnlySpan<ushort> bits, Span<float> result)
    {
        for (int i = 0; i < bits.Length; i++) result[i] = BitConverter.UInt32BitsToSingle((uint)bits[i] << 16);
    }
}
