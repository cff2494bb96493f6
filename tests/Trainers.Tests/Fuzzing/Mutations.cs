using System.Buffers.Binary;
using System.Text;

namespace MLNet.Gpt.Trainers.Tests.Fuzzing;

/// <summary>Ways to damage a file. The same random numbers give the same damage.</summary>
internal static class Mutations
{
    private static readonly byte[] Edges = [0, 1, 0x7F, 0x80, 0xC0, 0xED, 0xFF, (byte)'"', (byte)'\\', (byte)'{', (byte)'[', (byte)'\n', (byte)' '];

    private static readonly long[] Numbers = [0, 1, -1, 127, 255, 65_535, int.MaxValue, int.MinValue, uint.MaxValue, long.MaxValue, long.MinValue, 1L << 40];

    private static readonly byte[][] Values =
    [
        .. ((string[])
        [
            "null", "true", "false", "{}", "[]", "[[]]", "{\"a\":1}", "[null]", "\"\"", "\" \"", "0", "1", "-1", "-0", "1.5", "0.1", "2147483647", "2147483648", "-2147483649", "1000000000",
            "4294967296", "9223372036854775807", "9223372036854775808", "1e308", "1e999", "-1e999", "1e-400", "NaN", "Infinity", "\"NaN\"", "\"-1\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00\\ud800\"",
            "\"../../etc/passwd\"", "\"/dev/zero\"", "\"a\\u0000b\"", "\"<|endoftext|>\"", "\"(a+)+$\"", "\"[\"", "\"\\ufffe\"", "\"😀\"", "//", "/* */", ",", ":",
        ]).Select(static text => Encoding.UTF8.GetBytes(text)),
        [(byte)'"', 0xFF, (byte)'"'],
        [(byte)'"', 0xC3, (byte)'"'],
        [(byte)'"', 0xED, 0xA0, 0x80, (byte)'"'],
        Encoding.UTF8.GetBytes($"\"{new string('a', 5_000)}\""),
        Encoding.UTF8.GetBytes(new string('9', 400)),
        Encoding.UTF8.GetBytes(new string('[', 200)),
        Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"a\":", 100))),
    ];

    /// <summary>Damages any bytes: one to four changes of bits, bytes, numbers, lengths.</summary>
    public static byte[] Bytes(byte[] valid, Random random)
    {
        List<byte> bytes = [.. valid];
        for (int changes = random.Next(1, 5); changes > 0; changes--)
        {
            int at = random.Next(bytes.Count + 1), length = Math.Min(random.Next(1, random.Next(2, 64)), bytes.Count - at);
            switch (random.Next(9))
            {
                case 0 when at < bytes.Count:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1 when at < bytes.Count:
                    bytes[at] = Edges[random.Next(Edges.Length)];
                    break;
                case 2 when at < bytes.Count:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 3:
                    bytes.RemoveRange(at, length);
                    break;
                case 4:
                    bytes.InsertRange(at, bytes.GetRange(at, length));
                    break;
                case 5:
                    byte[] noise = new byte[random.Next(1, 17)];
                    random.NextBytes(noise);
                    bytes.InsertRange(at, noise);
                    break;
                case 6 when random.Next(4) == 0:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
                case 7 when at + 8 <= bytes.Count:
                    byte[] number = new byte[8];
                    BinaryPrimitives.WriteInt64LittleEndian(number, Numbers[random.Next(Numbers.Length)] + random.Next(-1, 2));
                    for (int i = 0, size = 1 << random.Next(4); i < size; i++) bytes[at + i] = number[i];
                    break;
                case 8 when length > 0:
                    List<byte> moved = bytes.GetRange(at, length);
                    bytes.RemoveRange(at, length);
                    bytes.InsertRange(random.Next(bytes.Count + 1), moved);
                    break;
            }
        }

        return [.. bytes];
    }

    /// <summary>Damages JSON: mostly single values and names, so that the rest is still parsed.</summary>
    public static byte[] Json(byte[] valid, Random random)
    {
        byte[] json = valid;
        for (int changes = random.Next(1, 4); changes > 0; changes--)
        {
            List<(int Start, int Length)> tokens = Tokens(json);
            if (tokens.Count == 0 || random.Next(4) == 0)
            {
                json = Bytes(json, random);
                continue;
            }

            (int start, int length) = tokens[random.Next(tokens.Count)];
            (int otherStart, int otherLength) = tokens[random.Next(tokens.Count)];
            byte[] replacement = random.Next(6) switch
            {
                0 => json[otherStart..(otherStart + otherLength)],
                1 => json[Math.Min(start, otherStart)..Math.Max(start + length, otherStart + otherLength)] is { Length: < 4_096 } part ? part : [],
                _ => Values[random.Next(Values.Length)],
            };
            json = [.. json[..start], .. replacement, .. json[(start + length)..]];
        }

        return json;
    }

    /// <summary>Damages lines of text: repeats, drops, moves and cuts them, and the bytes in them.</summary>
    public static byte[] Lines(byte[] valid, Random random)
    {
        if (random.Next(3) == 0) return Bytes(valid, random);
        List<byte[]> lines = [.. Split(valid)];
        for (int changes = random.Next(1, 4); changes > 0 && lines.Count > 0; changes--)
        {
            int at = random.Next(lines.Count);
            switch (random.Next(5))
            {
                case 0:
                    lines.RemoveAt(at);
                    break;
                case 1:
                    lines.Insert(random.Next(lines.Count + 1), lines[at]);
                    break;
                case 2:
                    (lines[at], byte[] moved) = (lines[random.Next(lines.Count)], lines[at]);
                    lines[random.Next(lines.Count)] = moved;
                    break;
                case 3:
                    lines[at] = Bytes(lines[at], random);
                    break;
                default:
                    byte[] number = Encoding.UTF8.GetBytes(" " + Numbers[random.Next(Numbers.Length)]);
                    lines[at] = [.. lines[at][..random.Next(lines[at].Length + 1)], .. number];
                    break;
            }
        }

        return [.. lines.SelectMany(static line => line.Append((byte)'\n'))];
    }

    /// <summary>Damages a part of a file and leaves its length as it is.</summary>
    /// <param name="valid">The file.</param>
    /// <param name="random">The random numbers.</param>
    /// <param name="start">Where the part begins.</param>
    /// <param name="length">How long it is.</param>
    /// <param name="mutate">What is done to the part; the result is filled up with spaces, or cut.</param>
    public static byte[] Within(byte[] valid, Random random, int start, int length, Func<byte[], Random, byte[]> mutate)
    {
        byte[] part = mutate(valid[start..(start + length)], random), bytes = (byte[])valid.Clone();
        Span<byte> place = bytes.AsSpan(start, length);
        place.Fill((byte)' ');
        part.AsSpan(0, Math.Min(part.Length, length)).CopyTo(place);
        return bytes;
    }

    /// <summary>Each string of a JSON text replaced, one at a time, by one that is no Unicode text.</summary>
    public static IEnumerable<byte[]> WithUnreadableStrings(byte[] json)
    {
        foreach ((int start, int length) in Tokens(json))
        {
            if (json[start] != '"') continue;
            byte[] before = json[..(start + 1)], after = json[(start + length - 1)..];
            yield return [.. before, 0xFF, .. after];
            yield return [.. before, .. "\\ud800"u8, .. after];
        }
    }

    /// <summary>Where the strings, numbers and words of a JSON text lie; of a damaged one as far as they can be told.</summary>
    private static List<(int Start, int Length)> Tokens(byte[] json)
    {
        var tokens = new List<(int, int)>();
        for (int at = 0; at < json.Length; at++)
        {
            int start = at;
            if (json[at] == '"')
            {
                for (at++; at < json.Length && json[at] != '"'; at++)
                {
                    if (json[at] == '\\') at++;
                }

                if (at < json.Length) tokens.Add((start, at + 1 - start));
            }
            else if (IsWord(json[at]))
            {
                while (at + 1 < json.Length && IsWord(json[at + 1])) at++;
                tokens.Add((start, at + 1 - start));
            }
        }

        return tokens;

        static bool IsWord(byte value) => char.IsAsciiLetterOrDigit((char)value) || value is (byte)'-' or (byte)'+' or (byte)'.';
    }

    private static IEnumerable<byte[]> Split(byte[] text)
    {
        int start = 0;
        for (int at = 0; at < text.Length; at++)
        {
            if (text[at] != '\n') continue;
            yield return text[start..at];
            start = at + 1;
        }

        if (start < text.Length) yield return text[start..];
    }
}
