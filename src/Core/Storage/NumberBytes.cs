using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace MLNet.Gpt;

/// <summary>Writes and hashes numbers as their bytes, in pieces: an array may have more bytes than a span counts (2^31), from 2^29 float32 or 2^28 int64 numbers on.</summary>
internal static class NumberBytes
{
    private const int Piece = 1 << 16;

    /// <summary>Writes the numbers' bytes.</summary>
    public static void Write<T>(Stream stream, ReadOnlySpan<T> numbers)
        where T : unmanaged
    {
        for (int at = 0; at < numbers.Length; at += Piece) stream.Write(MemoryMarshal.AsBytes(PieceOf(numbers, at)));
    }

    /// <summary>Adds the numbers' bytes to a hash.</summary>
    public static void AppendTo<T>(IncrementalHash hash, ReadOnlySpan<T> numbers)
        where T : unmanaged
    {
        for (int at = 0; at < numbers.Length; at += Piece) hash.AppendData(MemoryMarshal.AsBytes(PieceOf(numbers, at)));
    }

    private static ReadOnlySpan<T> PieceOf<T>(ReadOnlySpan<T> numbers, int at) => numbers.Slice(at, Math.Min(Piece, numbers.Length - at));
}
