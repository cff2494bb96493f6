namespace Microsoft.ML.Tokenizers;

/// <summary>
/// GPT-2's byte alphabet: a printable character for each byte. Printable Latin-1 bytes stand for themselves; the other 68, in
/// order, are U+0100, U+0101, ...
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] s_characters = BuildCharacters();
    private static readonly short[] s_bytes = BuildBytes();

    /// <summary>The character that stands for a byte.</summary>
    public static char ToCharacter(int value) => s_characters[value];

    /// <summary>The byte that a character stands for, or -1.</summary>
    public static int ToByte(char character) => character < s_bytes.Length ? s_bytes[character] : -1;

    /// <summary>
    /// Writes a text's UTF-8 bytes in the byte alphabet, and for each the index of the UTF-16 unit that it comes from. A lone
    /// surrogate gives the three bytes of its code point.
    /// </summary>
    /// <returns>The number of bytes; at most three for each unit of the text.</returns>
    public static int Encode(ReadOnlySpan<char> text, Span<char> characters, Span<int> sources)
    {
        int count = 0;
        for (int i = 0; i < text.Length; i++)
        {
            int value = text[i];
            int source = i;
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                value = char.ConvertToUtf32(text[i], text[++i]);
            }

            int first = count;
            switch (value)
            {
                case < 0x80:
                    characters[count++] = s_characters[value];
                    break;
                case < 0x800:
                    characters[count++] = s_characters[0xC0 | (value >> 6)];
                    characters[count++] = s_characters[0x80 | (value & 0x3F)];
                    break;
                case < 0x10000:
                    characters[count++] = s_characters[0xE0 | (value >> 12)];
                    characters[count++] = s_characters[0x80 | ((value >> 6) & 0x3F)];
                    characters[count++] = s_characters[0x80 | (value & 0x3F)];
                    break;
                default:
                    characters[count++] = s_characters[0xF0 | (value >> 18)];
                    characters[count++] = s_characters[0x80 | ((value >> 12) & 0x3F)];
                    characters[count++] = s_characters[0x80 | ((value >> 6) & 0x3F)];
                    characters[count++] = s_characters[0x80 | (value & 0x3F)];
                    break;
            }

            sources[first..count].Fill(source);
        }

        return count;
    }

    private static char[] BuildCharacters()
    {
        var characters = new char[256];
        char next = '\u0100';
        for (int value = 0; value < 256; value++)
        {
            bool printable = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            characters[value] = printable ? (char)value : next++;
        }

        return characters;
    }

    private static short[] BuildBytes()
    {
        var bytes = new short[s_characters.Max() + 1];
        Array.Fill(bytes, (short)-1);
        for (int value = 0; value < 256; value++) bytes[s_characters[value]] = (short)value;
        return bytes;
    }
}
