using System.Buffers.Binary;

namespace MLNet.Gpt;

/// <summary>
/// The first 128 bytes of a token file, little-endian:
/// <code>
///   0  8  magic, the ASCII characters "MLGPTTOK"
///   8  4  version, 1
///  12  4  bytes of a token: 2 up to a vocabulary of 65,536, else 4
///  16  4  vocabulary size
///  20  4  end-of-text id
///  24  8  token count N
///  32  8  document count D
///  40  8  where the tokens begin (128)
///  48  8  where the document offsets begin (the first multiple of 8 past the tokens)
///  56  8  length of the file
///  64 32  SHA-256 of the tokenizer
///  96  8  bytes of the documents' text in UTF-8, 0 where unknown
/// 104 24  zero
/// </code>
/// Then N tokens, up to 7 zero bytes, and D + 1 document offsets of 8 bytes: where each document begins, in tokens, and N.
/// </summary>
internal readonly record struct TokenFileHeader(
    int BytesPerToken, int VocabularySize, int EndOfTextId, long TokenCount, long DocumentCount, string TokenizerHash, long TextByteCount)
{
    public const int Size = 128;
    public const int Version = 1;
    public const string Remedy = "Write the token file again from the text (Corpus.Build or TokenFileWriter).";

    private static ReadOnlySpan<byte> Magic => "MLGPTTOK"u8;

    public static int BytesFor(int vocabularySize) => vocabularySize <= 65_536 ? 2 : 4;

    /// <summary>Where the document offsets begin.</summary>
    public long OffsetsPosition => (Size + (TokenCount * BytesPerToken) + 7) / 8 * 8;

    /// <summary>The length of the whole file.</summary>
    public long FileLength => OffsetsPosition + ((DocumentCount + 1) * 8);

    public void Write(Span<byte> bytes)
    {
        bytes[..Size].Clear();
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[8..], Version);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[12..], BytesPerToken);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[16..], VocabularySize);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[20..], EndOfTextId);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[24..], TokenCount);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[32..], DocumentCount);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[40..], Size);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[48..], OffsetsPosition);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[56..], FileLength);
        Convert.FromHexString(TokenizerHash).CopyTo(bytes[64..]);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[96..], TextByteCount);
    }

    /// <summary>Reads the header and checks everything in it against the file's length.</summary>
    /// <exception cref="CorruptFileException">Anything does not fit.</exception>
    public static TokenFileHeader Read(MappedFile file)
    {
        Require(file.Length >= Size, $"it has {file.Length} bytes, fewer than the header's {Size}.");
        ReadOnlySpan<byte> bytes = file.Bytes(0, Size);
        Require(bytes[..8].SequenceEqual(Magic), $"it begins with {Convert.ToHexString(bytes[..8])}, not with a token file's {Convert.ToHexString(Magic)} (\"MLGPTTOK\").");
        int version = BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]);
        Require(version == Version, $"its version is {version}; this library reads version {Version}.");
        var header = new TokenFileHeader(
            BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]),
            BinaryPrimitives.ReadInt32LittleEndian(bytes[16..]),
            BinaryPrimitives.ReadInt32LittleEndian(bytes[20..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[32..]),
            Convert.ToHexStringLower(bytes.Slice(64, 32)),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[96..]));
        Require(header.VocabularySize >= 1, $"its vocabulary size is {header.VocabularySize}; it must be 1 or more.");
        Require(header.BytesPerToken == BytesFor(header.VocabularySize),
            $"it stores {header.BytesPerToken} bytes a token, where a vocabulary of {header.VocabularySize} asks for {BytesFor(header.VocabularySize)}.");
        Require(header.EndOfTextId >= 0 && header.EndOfTextId < header.VocabularySize,
            $"its end-of-text id {header.EndOfTextId} is outside the vocabulary of {header.VocabularySize}.");

        // Both counts are bounded by the file's length before anything is computed from them, so nothing below overflows.
        Require(header.TokenCount >= 1 && header.TokenCount <= file.Length / header.BytesPerToken,
            $"it says that it holds {header.TokenCount} tokens, which {file.Length} bytes do not.");
        Require(header.DocumentCount >= 1 && header.DocumentCount <= Math.Min(header.TokenCount, int.MaxValue - 1),
            $"it says that it holds {header.DocumentCount} documents in {header.TokenCount} tokens.");
        long tokens = BinaryPrimitives.ReadInt64LittleEndian(bytes[40..]), offsets = BinaryPrimitives.ReadInt64LittleEndian(bytes[48..]);
        long length = BinaryPrimitives.ReadInt64LittleEndian(bytes[56..]);
        Require(tokens == Size, $"its tokens begin at byte {tokens}, not at {Size}.");
        Require(offsets == header.OffsetsPosition, $"its document offsets begin at byte {offsets}; {header.TokenCount} tokens put them at {header.OffsetsPosition}.");
        Require(length == header.FileLength, $"its length is said to be {length} bytes; {header.TokenCount} tokens and {header.DocumentCount} documents make {header.FileLength}.");
        Require(file.Length == length, $"it has {file.Length} bytes where its header says {length}: it is {(file.Length < length ? "cut short" : "too long")}.");
        Require(header.TextByteCount >= 0, $"its text is said to have {header.TextByteCount} bytes.");
        return header;

        void Require(bool condition, string problem)
        {
            if (!condition) throw new CorruptFileException(file.Path, problem, Remedy);
        }
    }
}
