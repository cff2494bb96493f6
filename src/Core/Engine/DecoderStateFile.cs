using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;

namespace MLNet.Gpt;

/// <summary>
/// Writes and reads the state of a decoder (docs/file-formats.md). B: rows; P: positions, padding included; for each layer its keys, then its values, (B, H, P, D).
/// </summary>
internal sealed class DecoderStateFile
{
    /// <summary>The version of the form.</summary>
    public const int Version = 1;

    private const int HeaderBytes = 72, RowBytes = sizeof(int) + SHA256.HashSizeInBytes;
    private const int MaxRows = 1 << 20;
    private const string Remedy = "Save the generation again, or begin it anew from its text.";

    private readonly Stream _source;
    private readonly string _name;

    private DecoderStateFile(Stream source, string name, DecoderStateForm form, int length, DecoderStateRow[] rows) =>
        (_source, _name, BlockBytes, Length, Rows) = (source, name, checked(form.Heads * length * form.PositionBytes), length, rows);

    private static ReadOnlySpan<byte> Magic => "MLGPTDEC"u8;

    /// <summary>P.</summary>
    public int Length { get; }

    /// <summary>The bytes of one row of a tensor, (H, P, D).</summary>
    public int BlockBytes { get; }

    /// <summary>B.</summary>
    public IReadOnlyList<DecoderStateRow> Rows { get; }

    /// <summary>Writes a state.</summary>
    /// <param name="target">The stream.</param>
    /// <param name="form">The model's.</param>
    /// <param name="length">P.</param>
    /// <param name="rows">B.</param>
    /// <param name="read">Gives a row of a tensor: (H, P, D), as bytes.</param>
    /// <exception cref="ArgumentException">The stream can't be written.</exception>
    public static void Write(Stream target, DecoderStateForm form, int length, IReadOnlyList<DecoderStateRow> rows, DecoderStateBlock read)
    {
        ArgumentNullException.ThrowIfNull(target);
        if (!target.CanWrite) throw new ArgumentException("The stream can't be written; pass one that can.", nameof(target));
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] header = new byte[HeaderBytes + (rows.Count * RowBytes)];
        Magic.CopyTo(header);
        ReadOnlySpan<int> numbers = [Version, CodeOf(form.Numbers), form.Layers, form.Heads, form.HeadSize, rows.Count, length, 0];
        for (int i = 0; i < numbers.Length; i++) BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(Magic.Length + (i * sizeof(int))), numbers[i]);
        form.Fingerprint.CopyTo(header.AsSpan(HeaderBytes - SHA256.HashSizeInBytes));
        for (int row = 0; row < rows.Count; row++)
        {
            Span<byte> place = header.AsSpan(HeaderBytes + (row * RowBytes), RowBytes);
            BinaryPrimitives.WriteInt32LittleEndian(place, rows[row].Padding);
            rows[row].Adapter.CopyTo(place[sizeof(int)..]);
        }

        Put(header);
        byte[] block = new byte[checked(form.Heads * length * form.PositionBytes)];
        for (int tensor = 0; tensor < form.TensorCount && block.Length > 0; tensor++)
        {
            for (int row = 0; row < rows.Count; row++)
            {
                read(tensor, row, block);
                Put(block);
            }
        }

        target.Write(hash.GetHashAndReset());

        void Put(byte[] bytes)
        {
            hash.AppendData(bytes);
            target.Write(bytes);
        }
    }

    /// <summary>Checks a state from its first byte to its last, and against the model. The stream then stands before the keys and values.</summary>
    /// <param name="source">The stream.</param>
    /// <param name="form">The model's.</param>
    /// <param name="contextLength">The model's context.</param>
    /// <param name="capacity">The most positions that there will be room for.</param>
    /// <exception cref="CorruptFileException">It is no state, or a damaged one.</exception>
    /// <exception cref="StateMismatchException">It is another model's.</exception>
    /// <exception cref="PromptTooLongException">A row has more tokens than the context.</exception>
    /// <exception cref="ArgumentException">The stream can't be read or can't seek, or the capacity is too small.</exception>
    public static DecoderStateFile Open(Stream source, DecoderStateForm form, int contextLength, int capacity)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (!source.CanRead || !source.CanSeek) throw new ArgumentException("The stream can't be read, or can't seek; copy what it holds into a file or into memory first.", nameof(source));
        string name = (source as FileStream)?.Name ?? "the stream";

        // 1. The header, as far as it says how long everything is.
        long start = source.Position, available = source.Length - start;
        if (available < HeaderBytes) throw Corrupt($"it has {available} bytes where the {HeaderBytes} of a state's header are expected.");
        byte[] header = new byte[HeaderBytes];
        source.ReadExactly(header);
        if (!header.AsSpan().StartsWith(Magic)) throw Corrupt($"it doesn't begin with {System.Text.Encoding.ASCII.GetString(Magic)}; it is no saved state.");
        int version = Number(0);
        if (version != Version) throw Corrupt($"its version is {version}; this library reads version {Version}.");
        (int code, int layers, int heads, int headSize, int rowCount, int length) = (Number(1), Number(2), Number(3), Number(4), Number(5), Number(6));
        if (code is not (1 or 10 or 16)) throw Corrupt($"its number format is {code}; 1, 10 and 16 are known.");
        if (layers < 1 || heads < 1 || headSize < 1 || rowCount is < 1 or > MaxRows || length < 0 || Number(7) != 0)
            throw Corrupt($"its sizes are {layers} layers, {heads} heads of {headSize}, {rowCount} rows of {length} positions; all but the positions must be 1 or more, and the rows at most {MaxRows}.");
        BigInteger body = ((BigInteger)rowCount * RowBytes) + ((BigInteger)2 * layers * rowCount * heads * length * headSize * (code == 1 ? sizeof(float) : sizeof(ushort)));
        if (HeaderBytes + body + SHA256.HashSizeInBytes > available)
            throw Corrupt($"it is cut short: its sizes ask for {HeaderBytes + body + SHA256.HashSizeInBytes} bytes, and {available} are there.");

        // 2. Every byte of it, before any is used.
        byte[] found = Hash(source, start, HeaderBytes + (long)body), written = new byte[SHA256.HashSizeInBytes];
        source.ReadExactly(written);
        if (!found.AsSpan().SequenceEqual(written)) throw Corrupt("it is damaged: its SHA-256 is not the one that was written.");

        // 3. Whose it is.
        const string Other = "Restore it with the model that it was saved with, or begin anew from the text.";
        if (code != CodeOf(form.Numbers)) throw new StateMismatchException(name, "number format", form.Numbers.ToString(), FormatOf(code).ToString(), "Open the model in the precision that it was saved with, or begin anew from the text.");
        if ((layers, heads, headSize) != (form.Layers, form.Heads, form.HeadSize))
            throw new StateMismatchException(name, "shape", $"{form.Layers} layers with {form.Heads} heads of {form.HeadSize}", $"{layers} layers with {heads} heads of {headSize}", Other);
        Span<byte> fingerprint = header.AsSpan(HeaderBytes - SHA256.HashSizeInBytes);
        if (!fingerprint.SequenceEqual(form.Fingerprint))
            throw new StateMismatchException(name, "model's fingerprint", Convert.ToHexStringLower(form.Fingerprint), Convert.ToHexStringLower(fingerprint), Other);

        // 4. Its rows.
        source.Position = start + HeaderBytes;
        byte[] table = new byte[rowCount * RowBytes];
        source.ReadExactly(table);
        var rows = new DecoderStateRow[rowCount];
        for (int row = 0; row < rowCount; row++)
        {
            ReadOnlySpan<byte> place = table.AsSpan(row * RowBytes, RowBytes);
            int padding = BinaryPrimitives.ReadInt32LittleEndian(place);
            if (padding < 0 || padding > length) throw Corrupt($"row {row} has {padding} places of padding among {length} positions.");
            if (length - padding > contextLength) throw new PromptTooLongException(length - padding, contextLength, $"Row {row} of the saved state is that long; restore it with a model of a longer context.");
            rows[row] = new(padding, place[sizeof(int)..].ToArray());
        }

        if (capacity < Math.Max(1, length)) throw new ArgumentOutOfRangeException(nameof(capacity), capacity, $"The capacity is {capacity}; it must be at least {Math.Max(1, length)}, the positions that were saved.");
        return new(source, name, form, length, rows);

        int Number(int index) => BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(Magic.Length + (index * sizeof(int))));

        CorruptFileException Corrupt(string problem) => new(name, problem, Remedy);
    }

    /// <summary>Checks that the adapter that a row was computed with is there.</summary>
    /// <param name="row">The row.</param>
    /// <param name="isLoaded">Whether the model has it.</param>
    /// <exception cref="StateMismatchException">It is not.</exception>
    public void RequireAdapter(DecoderStateRow row, bool isLoaded)
    {
        if (!isLoaded && !row.Adapter.AsSpan().SequenceEqual(DecoderStateRow.NoAdapter))
        {
            throw new StateMismatchException(_name, "adapter's fingerprint", "no such adapter", Convert.ToHexStringLower(row.Adapter),
                "Load the adapter that it was saved with, under any name, and restore it again.");
        }
    }

    /// <summary>The next row of the next tensor, (H, P, D), as bytes.</summary>
    /// <exception cref="CorruptFileException">The file has been shortened meanwhile.</exception>
    public void ReadBlock(Span<byte> block)
    {
        try
        {
            _source.ReadExactly(block[..BlockBytes]);
        }
        catch (EndOfStreamException exception)
        {
            throw new CorruptFileException(_name, "it was shortened while it was read.", Remedy, exception);
        }
    }

    /// <summary>Fills a decoder with the state, and goes behind it.</summary>
    /// <param name="decoder">The decoder; disposed if it can't be filled.</param>
    /// <param name="take">Reads every block.</param>
    /// <returns>The decoder.</returns>
    public TDecoder Into<TDecoder>(TDecoder decoder, Action<TDecoder> take)
        where TDecoder : ISavableDecoder
    {
        try
        {
            take(decoder);
            _source.Position += SHA256.HashSizeInBytes;
            return decoder;
        }
        catch
        {
            decoder.Dispose();
            throw;
        }
    }

    private static byte[] Hash(Stream source, long start, long count)
    {
        source.Position = start;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(1 << 16);
        try
        {
            while (count > 0)
            {
                int read = source.Read(buffer, 0, (int)Math.Min(buffer.Length, count));
                if (read == 0) break; // shortened meanwhile: the hash will not fit
                hash.AppendData(buffer, 0, read);
                count -= read;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return hash.GetHashAndReset();
    }

    // The numbers of ONNX's own data types.
    private static int CodeOf(WeightFormat format) => format switch { WeightFormat.Float16 => 10, WeightFormat.BFloat16 => 16, _ => 1 };

    private static WeightFormat FormatOf(int code) => code switch { 10 => WeightFormat.Float16, 16 => WeightFormat.BFloat16, _ => WeightFormat.Float32 };
}
