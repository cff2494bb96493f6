using System.Text;

namespace MLNet.Gpt;

/// <summary>Writes and reads the fields of a protocol buffer, which ONNX files are: a tag, then a number, or a length and as many bytes.</summary>
internal static class ProtocolBuffer
{
    private const int Delimited = 2;

    /// <summary>A field that is a number.</summary>
    public static byte[] Number(int field, long value) => [.. Varint((ulong)field << 3), .. Varint((ulong)value)];

    /// <summary>A field that is a text.</summary>
    public static byte[] Text(int field, string text) => Bytes(field, Encoding.UTF8.GetBytes(text));

    /// <summary>A field that is a message or bytes.</summary>
    public static byte[] Bytes(int field, byte[] value) => [.. Prefix(field, value.Length), .. value];

    /// <summary>The tag and length before a message or bytes.</summary>
    public static byte[] Prefix(int field, long length) => [.. Varint(((ulong)field << 3) | Delimited), .. Varint((ulong)length)];

    /// <summary>The fields of a message whose lengths have been checked.</summary>
    /// <returns>For each its number, where it begins with its tag, and its value's place; a number's value has the place after it and no length.</returns>
    public static List<(int Field, int Start, int ValueStart, int End)> Fields(ReadOnlySpan<byte> bytes, int start, int end)
    {
        var fields = new List<(int, int, int, int)>();
        for (int at = start; at < end;)
        {
            int begin = at;
            ulong tag = Varint(bytes, ref at);
            int value = at;
            switch (tag & 7)
            {
                case 0: _ = Varint(bytes, ref at); break;
                case 1: at += 8; break;
                case 5: at += 4; break;
                default:
                    int length = (int)Varint(bytes, ref at);
                    value = at;
                    at += length;
                    break;
            }

            fields.Add(((int)(tag >> 3), begin, value, at));
        }

        return fields;
    }

    private static ulong Varint(ReadOnlySpan<byte> bytes, ref int at)
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte next = bytes[at++];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80) return value;
        }
    }

    private static byte[] Varint(ulong value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
        return [.. bytes];
    }
}
