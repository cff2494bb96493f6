namespace Microsoft.ML.Tokenizers;

/// <summary>UTF-8 that arrives in parts, decoded as the original decodes it: by its bits, without a check for surrogates or overlong forms.</summary>
internal static class PartialUtf8
{
    /// <summary>How many leading bytes make whole characters; -1 where a byte can't stand where it does.</summary>
    public static int CompletePrefix(ReadOnlySpan<byte> utf8)
    {
        int position = 0;
        while (position < utf8.Length)
        {
            int length = utf8[position] switch
            {
                < 0x80 => 1,
                >= 0xC0 and < 0xE0 => 2,
                >= 0xE0 and < 0xF0 => 3,
                >= 0xF0 and < 0xF8 => 4,
                _ => -1,
            };
            if (length < 0) return -1;
            if (position + length > utf8.Length) return position;
            for (int i = 1; i < length; i++)
            {
                if ((utf8[position + i] & 0xC0) != 0x80) return -1;
            }

            position += length;
        }

        return position;
    }

    /// <summary>Decodes whole characters; as in the original, a surrogate's own three bytes give the surrogate.</summary>
    public static int ToUtf16(ReadOnlySpan<byte> utf8, Span<char> characters)
    {
        int count = 0;
        for (int position = 0; position < utf8.Length;)
        {
            int first = utf8[position];
            (int length, int value) = first < 0x80 ? (1, first) : first < 0xE0 ? (2, first & 0x1F) : first < 0xF0 ? (3, first & 0x0F) : (4, first & 0x07);
            for (int i = 1; i < length; i++) value = (value << 6) | (utf8[position + i] & 0x3F);
            position += length;
            if (value > 0xFFFF)
            {
                characters[count++] = (char)(0xD800 + ((value - 0x10000) >> 10));
                characters[count++] = (char)(0xDC00 + ((value - 0x10000) & 0x3FF));
            }
            else
            {
                characters[count++] = (char)value;
            }
        }

        return count;
    }
}
