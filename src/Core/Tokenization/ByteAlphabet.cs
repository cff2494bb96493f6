namespace MLNet.Gpt;

/// <summary>
/// GPT-2's byte alphabet: one printable character for each byte, so that a vocabulary of byte sequences can be written as text
/// (Radford et al. 2019, released encoder). The bytes 0x21-0x7E, 0xA1-0xAC and 0xAE-0xFF stand for themselves; the other 68, in
/// order, are U+0100 to U+0143. A space is 'Ġ', a line feed 'Ċ'.
/// </summary>
internal static class ByteAlphabet
{
    private const char FirstShifted = '\u0100';

    /// <summary>The characters of the 256 bytes, by byte.</summary>
    private static readonly char[] s_characters = Build();

    /// <summary>The bytes in the order of their characters: the order in which trainers number them.</summary>
    public static byte[] InCharacterOrder { get; } = [.. Enumerable.Range(0, 256).Select(value => (byte)value).OrderBy(value => s_characters[value])];

    /// <summary>The character that stands for a byte.</summary>
    public static char ToCharacter(byte value) => s_characters[value];

    /// <summary>The text that stands for a sequence of bytes.</summary>
    public static string ToText(ReadOnlySpan<byte> bytes)
    {
        Span<char> text = bytes.Length <= 256 ? stackalloc char[bytes.Length] : new char[bytes.Length];
        for (int i = 0; i < bytes.Length; i++) text[i] = s_characters[bytes[i]];
        return new string(text);
    }

    /// <summary>The bytes that a text of this alphabet stands for; null where a character is not of the alphabet.</summary>
    public static byte[]? ToBytes(ReadOnlySpan<char> text)
    {
        var bytes = new byte[text.Length];
        for (int i = 0; i < text.Length; i++)
        {
            int value = ToByte(text[i]);
            if (value < 0) return null;
            bytes[i] = (byte)value;
        }

        return bytes;
    }

    // The shifted bytes, in order, are 0x00-0x20 (33 of them), 0x7F-0xA0 (34) and 0xAD.
    private static int ToByte(char character) => character switch
    {
        >= '!' and <= '~' => character,
        >= '\u00A1' and <= '\u00FF' and not '\u00AD' => character,
        >= FirstShifted and < (char)(FirstShifted + 33) => character - FirstShifted,
        >= (char)(FirstShifted + 33) and < (char)(FirstShifted + 67) => character - FirstShifted - 33 + 0x7F,
        (char)(FirstShifted + 67) => 0xAD,
        _ => -1,
    };

    private static char[] Build()
    {
        var characters = new char[256];
        for (char character = '!'; character <= FirstShifted + 67; character++)
        {
            int value = ToByte(character);
            if (value >= 0) characters[value] = character;
        }

        return characters;
    }
}
