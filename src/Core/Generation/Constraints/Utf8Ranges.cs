namespace MLNet.Gpt;

/// <summary>The UTF-8 forms of a range of characters as sequences of byte ranges: each sequence is a box, and together they are the range.</summary>
internal static class Utf8Ranges
{
    private static readonly int[] LastOfLength = [0x7F, 0x7FF, 0xFFFF, 0x10FFFF];

    public static IEnumerable<(byte First, byte Last)[]> Of(int first, int last)
    {
        // 1. Characters of as many bytes.
        for (int length = 1, low = 0; length <= 4; low = LastOfLength[length - 1] + 1, length++)
        {
            int from = Math.Max(first, low), to = Math.Min(last, LastOfLength[length - 1]);
            if (from > to) continue;
            foreach ((byte, byte)[] box in Boxes(from, to, length)) yield return box;
        }
    }

    // 2. A range is a box where the bits below its first differing byte run over all values; else it is cut there.
    private static IEnumerable<(byte First, byte Last)[]> Boxes(int first, int last, int length)
    {
        for (int tail = 1; tail < length; tail++)
        {
            int below = (1 << (6 * tail)) - 1;
            if ((first & ~below) == (last & ~below)) continue;
            if ((first & below) != 0)
            {
                foreach ((byte, byte)[] box in Boxes(first, first | below, length)) yield return box;
                foreach ((byte, byte)[] box in Boxes((first | below) + 1, last, length)) yield return box;
                yield break;
            }

            if ((last & below) != below)
            {
                foreach ((byte, byte)[] box in Boxes(first, (last & ~below) - 1, length)) yield return box;
                foreach ((byte, byte)[] box in Boxes(last & ~below, last, length)) yield return box;
                yield break;
            }
        }

        var bytes = new (byte, byte)[length];
        for (int i = 0; i < length; i++) bytes[i] = (ByteAt(first, i, length), ByteAt(last, i, length));
        yield return bytes;
    }

    private static byte ByteAt(int codePoint, int index, int length)
    {
        int bits = codePoint >> (6 * (length - 1 - index));
        if (index > 0) return (byte)(0x80 | (bits & 0x3F));
        return (byte)(length switch { 1 => bits, 2 => 0xC0 | bits, 3 => 0xE0 | bits, _ => 0xF0 | bits });
    }
}
