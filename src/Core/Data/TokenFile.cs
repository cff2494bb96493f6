using System.Numerics.Tensors;

namespace MLNet.Gpt;

/// <summary>
/// The token ids of a corpus, in a file that is mapped into memory: documents one after the other, each ended by the end-of-text id.
/// </summary>
/// <remarks>
/// Reading copies the asked-for tokens and nothing else, so that a file may be larger than the memory. Thread-safe.
/// docs/file-formats.md gives the format; <see cref="TokenFileWriter"/> and <see cref="Corpus"/> write it.
/// </remarks>
public sealed class TokenFile : IDisposable
{
    private readonly MappedFile _file;
    private readonly TokenFileHeader _header;

    private TokenFile(MappedFile file)
    {
        _file = file;
        _header = TokenFileHeader.Read(file);
        CheckDocumentOffsets();
    }

    /// <summary>Opens a token file and checks its header, its length and its document offsets.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The file, which the caller disposes.</returns>
    /// <exception cref="CheckpointNotFoundException">There is no such file.</exception>
    /// <exception cref="CorruptFileException">The file is not a token file, has another version, is cut short, or contradicts itself.</exception>
    public static TokenFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (!File.Exists(path)) throw new CheckpointNotFoundException(path, "There is no such file.", $"Write it with {nameof(TokenFileWriter)}, or build a {nameof(Corpus)}.");
        MappedFile file = MappedFile.Open(path);
        try
        {
            return new(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The file's full path.</summary>
    public string Path => _file.Path;

    /// <summary>N: the number of tokens, the end-of-text ids included.</summary>
    public long TokenCount => _header.TokenCount;

    /// <summary>The number of documents.</summary>
    public int DocumentCount => (int)_header.DocumentCount;

    /// <summary>The number of ids; every id in the file is below it.</summary>
    public int VocabularySize => _header.VocabularySize;

    /// <summary>The id that ends each document.</summary>
    public int EndOfTextId => _header.EndOfTextId;

    /// <summary>2 up to a vocabulary of 65,536 tokens, else 4.</summary>
    public int BytesPerToken => _header.BytesPerToken;

    /// <summary>The SHA-256 of the tokenizer that made the ids, as 64 lower-case hexadecimal digits.</summary>
    public string TokenizerHash => _header.TokenizerHash;

    /// <summary>The bytes of the documents' text in UTF-8 (for bits per byte), or 0 where the writer did not tell.</summary>
    public long TextByteCount => _header.TextByteCount;

    /// <summary>Copies tokens.</summary>
    /// <param name="start">The first token, from 0.</param>
    /// <param name="destination">Is filled.</param>
    /// <exception cref="ArgumentOutOfRangeException">The tokens are not all in the file.</exception>
    /// <exception cref="CorruptFileException">One of the tokens is outside the vocabulary.</exception>
    public void Read(long start, Span<int> destination)
    {
        CheckRange(start, destination.Length);
        using MappedFile.Pin pin = _file.PinDown();
        if (BytesPerToken == 2)
        {
            ReadOnlySpan<ushort> tokens = pin.Span<ushort>(PositionOf(start), destination.Length);
            CheckIds(tokens, start);
            TensorPrimitives.ConvertTruncating(tokens, destination);
        }
        else
        {
            ReadOnlySpan<uint> tokens = pin.Span<uint>(PositionOf(start), destination.Length);
            CheckIds(tokens, start);
            TensorPrimitives.ConvertTruncating(tokens, destination);
        }
    }

    /// <summary>Copies tokens as 64-bit numbers, the type of a libtorch index tensor.</summary>
    /// <param name="start">The first token, from 0.</param>
    /// <param name="destination">Is filled.</param>
    /// <exception cref="ArgumentOutOfRangeException">The tokens are not all in the file.</exception>
    /// <exception cref="CorruptFileException">One of the tokens is outside the vocabulary.</exception>
    public void Read(long start, Span<long> destination)
    {
        CheckRange(start, destination.Length);
        using MappedFile.Pin pin = _file.PinDown();
        if (BytesPerToken == 2)
        {
            ReadOnlySpan<ushort> tokens = pin.Span<ushort>(PositionOf(start), destination.Length);
            CheckIds(tokens, start);
            TensorPrimitives.ConvertTruncating(tokens, destination);
        }
        else
        {
            ReadOnlySpan<uint> tokens = pin.Span<uint>(PositionOf(start), destination.Length);
            CheckIds(tokens, start);
            TensorPrimitives.ConvertTruncating(tokens, destination);
        }
    }

    /// <summary>Where a document lies, its end-of-text id included.</summary>
    /// <param name="document">0 to <see cref="DocumentCount"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such document.</exception>
    public TokenRange RangeOf(int document)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(document);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(document, DocumentCount);
        using MappedFile.Pin pin = _file.PinDown();
        ReadOnlySpan<long> pair = pin.Span<long>(_header.OffsetsPosition + (document * 8L), 2);
        return new(pair[0], pair[1] - pair[0]);
    }

    /// <summary>The document that a token belongs to.</summary>
    /// <param name="token">0 to <see cref="TokenCount"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public int DocumentOf(long token)
    {
        CheckRange(token, 1);
        using MappedFile.Pin pin = _file.PinDown();
        int index = pin.Span<long>(_header.OffsetsPosition, DocumentCount).BinarySearch(token);
        return index >= 0 ? index : ~index - 1;
    }

    /// <summary>Checks that the file was made with this tokenizer.</summary>
    /// <param name="tokenizer">The tokenizer that its ids will be used with.</param>
    /// <exception cref="TokenizerMismatchException">It was made with another one.</exception>
    public void RequireTokenizer(GptTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (!string.Equals(tokenizer.Hash, TokenizerHash, StringComparison.OrdinalIgnoreCase))
            throw new TokenizerMismatchException(Path, $"the tokenizer {TokenizerHash}", tokenizer.Hash, "Use the tokenizer that made the file, or write the token file again with this one.");
    }

    /// <summary>Checks that every id has a row in a model's token embedding.</summary>
    /// <param name="config">The model's shape.</param>
    /// <exception cref="TokenizerMismatchException">The file's vocabulary is larger than the model's.</exception>
    public void RequireModel(GptConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (VocabularySize > config.VocabularySize)
            throw new TokenizerMismatchException(Path, $"a vocabulary of {VocabularySize} tokens", $"a model of {config.VocabularySize}", $"Set the model's VocabularySize to {VocabularySize} or more.");
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private long PositionOf(long token) => TokenFileHeader.Size + (token * BytesPerToken);

    private void CheckRange(long start, int count)
    {
        if (start < 0 || start > TokenCount - count)
            throw new ArgumentOutOfRangeException(nameof(start), start, $"Tokens {start} to {start + count - 1} were asked for; '{Path}' holds {TokenCount}, from 0.");
    }

    private void CheckIds(ReadOnlySpan<ushort> tokens, long start)
    {
        if (tokens.IsEmpty || VocabularySize > ushort.MaxValue) return;
        ushort largest = TensorPrimitives.Max(tokens);
        if (largest >= VocabularySize) throw OutsideVocabulary(largest, start + tokens.IndexOf(largest));
    }

    private void CheckIds(ReadOnlySpan<uint> tokens, long start)
    {
        if (tokens.IsEmpty) return;
        uint largest = TensorPrimitives.Max(tokens);
        if (largest >= VocabularySize) throw OutsideVocabulary(largest, start + tokens.IndexOf(largest));
    }

    private CorruptFileException OutsideVocabulary(uint id, long token) => new(
        Path, $"token {token} (document {DocumentOf(token)}) is {id}, outside the vocabulary of {VocabularySize}.", TokenFileHeader.Remedy);

    private void CheckDocumentOffsets()
    {
        using MappedFile.Pin pin = _file.PinDown();
        ReadOnlySpan<long> offsets = pin.Span<long>(_header.OffsetsPosition, DocumentCount + 1);
        if (offsets[0] != 0) throw Corrupt($"its first document begins at token {offsets[0]}, not at 0.");
        for (int i = 1; i < offsets.Length; i++)
        {
            if (offsets[i] <= offsets[i - 1])
                throw Corrupt($"document {i - 1} begins at token {offsets[i - 1]} and ends at {offsets[i]}: documents overlap or are empty.");
        }

        if (offsets[^1] != TokenCount) throw Corrupt($"its last document ends at token {offsets[^1]}; the file holds {TokenCount}.");

        CorruptFileException Corrupt(string problem) => new(Path, problem, TokenFileHeader.Remedy);
    }
}
