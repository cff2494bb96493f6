using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;

namespace MLNet.Gpt;

/// <summary>Passages and their vectors as a file of their own beside a transformer's settings; docs/file-formats.md has its form. It is written and read as a stream: it may be larger than what an array holds.</summary>
internal static class PassageFile
{
    public const int FormatVersion = 1;

    private const int HeaderBytes = 24;

    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private static ReadOnlySpan<byte> Magic => "MLGPTPAS"u8;

    /// <summary>Writes the passages (N) and their vectors (N, C).</summary>
    /// <exception cref="DiskFullException">There is no room for the file.</exception>
    /// <exception cref="FolderNotWritableException">It can't be written.</exception>
    public static void Write(string path, IReadOnlyList<string> passages, IReadOnlyList<ReadOnlyMemory<float>> vectors)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1 << 16);
            Span<byte> header = stackalloc byte[HeaderBytes];
            Magic.CopyTo(header);
            BinaryPrimitives.WriteInt32LittleEndian(header[8..], FormatVersion);
            BinaryPrimitives.WriteInt32LittleEndian(header[12..], vectors[0].Length);
            BinaryPrimitives.WriteInt64LittleEndian(header[16..], passages.Count);
            stream.Write(header);
            foreach (ReadOnlyMemory<float> vector in vectors) NumberBytes.Write(stream, vector.Span);
            Span<byte> length = stackalloc byte[sizeof(int)];
            foreach (string passage in passages)
            {
                byte[] text = s_utf8.GetBytes(passage);
                BinaryPrimitives.WriteInt32LittleEndian(length, text.Length);
                stream.Write(length);
                stream.Write(text);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw IOErrors.OnWriting(exception, path, Path.GetDirectoryName(path)!);
        }
    }

    /// <summary>Reads the passages and their vectors.</summary>
    /// <exception cref="CorruptFileException">The file is missing, cut short or too long, of another version, or holds what can't be.</exception>
    public static (string[] Passages, float[][] Vectors) Read(string path)
    {
        if (!File.Exists(path)) throw Corrupt("is missing.");
        using FileStream stream = File.OpenRead(path);

        // 1. The header. What it promises must fit the file before anything is made of that size: a vector has its numbers, a text at least its length.
        Span<byte> header = stackalloc byte[HeaderBytes];
        if (stream.ReadAtLeast(header, HeaderBytes, throwOnEndOfStream: false) < HeaderBytes) throw Corrupt($"has {stream.Length} bytes; its header alone has {HeaderBytes}.");
        if (!header.StartsWith(Magic)) throw Corrupt("does not begin as such a file does.");
        int version = BinaryPrimitives.ReadInt32LittleEndian(header[8..]), width = BinaryPrimitives.ReadInt32LittleEndian(header[12..]);
        long count = BinaryPrimitives.ReadInt64LittleEndian(header[16..]);
        if (version != FormatVersion) throw Corrupt($"has format version {version}, and this version of MLNet.Gpt reads {FormatVersion}.");
        if (width < 1 || count < 1 || count > Array.MaxLength) throw Corrupt($"claims {count} passages with vectors of {width} numbers; each must be 1 or more.");
        var least = (BigInteger)HeaderBytes + ((BigInteger)count * (((BigInteger)width * sizeof(float)) + sizeof(int)));
        if (stream.Length < least) throw Corrupt($"is cut short: it has {stream.Length} bytes, and {count} passages with vectors of {width} numbers take {least} or more.");

        // 2. The vectors.
        float[][] vectors = new float[count][]; // (N, C)
        for (int i = 0; i < count; i++)
        {
            float[] vector = vectors[i] = new float[width];
            stream.ReadExactly(MemoryMarshal.AsBytes(vector.AsSpan()));
            int broken = vector.AsSpan().IndexOfAnyExceptInRange(-float.MaxValue, float.MaxValue);
            if (broken >= 0) throw Corrupt(FormattableString.Invariant($"has {vector[broken]} as number {broken} of vector {i}; numbers are finite."));
        }

        // 3. The texts, to the end.
        string[] passages = new string[count];
        Span<byte> length = stackalloc byte[sizeof(int)];
        for (int i = 0; i < count; i++)
        {
            long left = stream.Length - stream.Position;
            if (left < sizeof(int)) throw Corrupt($"is cut short: it ends before passage {i} of {count}.");
            stream.ReadExactly(length);
            int bytes = BinaryPrimitives.ReadInt32LittleEndian(length);
            if (bytes < 0 || bytes > left - sizeof(int)) throw Corrupt($"is cut short: passage {i} of {count} has {bytes} bytes, and {left - sizeof(int)} are left.");
            byte[] text = new byte[bytes];
            stream.ReadExactly(text);
            try
            {
                passages[i] = s_utf8.GetString(text);
            }
            catch (DecoderFallbackException exception)
            {
                throw Corrupt($"has a passage {i} that is no UTF-8.", exception);
            }
        }

        if (stream.Position != stream.Length) throw Corrupt($"has {stream.Length - stream.Position} bytes behind the last of {count} passages.");
        return (passages, vectors);
    }

    private static CorruptFileException Corrupt(string problem, Exception? innerException = null) => ModelFileContents.Corrupt($"'{OnnxPackageLayout.PassagesFile}' {problem}", innerException);
}
