using System.Runtime.InteropServices;

namespace MLNet.Gpt;

/// <summary>
/// Writes a <see cref="TokenFile"/> document by document. The tokens go straight to the disk; what is kept in memory is eight
/// bytes a document. The file appears under its name only with <see cref="Complete"/>.
/// </summary>
/// <remarks>Not thread-safe.</remarks>
public sealed class TokenFileWriter : IDisposable
{
    private readonly AtomicFile _file;
    private readonly int _vocabularySize, _endOfTextId, _bytesPerToken;
    private readonly string _tokenizerHash;
    private readonly List<long> _offsets = [0];
    private readonly byte[] _buffer = new byte[1 << 16];
    private int _filled;
    private long _textByteCount;

    /// <summary>Begins a token file for the ids of one tokenizer.</summary>
    /// <param name="path">The file to appear; an existing one stays until <see cref="Complete"/>.</param>
    /// <param name="tokenizer">The tokenizer that makes the ids.</param>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing this file.</exception>
    public TokenFileWriter(string path, GptTokenizer tokenizer)
        : this(path, (tokenizer ?? throw new ArgumentNullException(nameof(tokenizer))).VocabularySize, tokenizer.EndOfTextId, tokenizer.Hash)
    {
    }

    /// <summary>Begins a token file for ids from elsewhere.</summary>
    /// <param name="path">The file to appear; an existing one stays until <see cref="Complete"/>.</param>
    /// <param name="vocabularySize">The number of ids, 1 or more.</param>
    /// <param name="endOfTextId">The id written after each document, below <paramref name="vocabularySize"/>.</param>
    /// <param name="tokenizerHash">The SHA-256 that identifies the tokenizer, as 64 hexadecimal digits.</param>
    /// <exception cref="ArgumentException">A value is outside its range.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing this file.</exception>
    public TokenFileWriter(string path, int vocabularySize, int endOfTextId, string tokenizerHash)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(endOfTextId);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(endOfTextId, vocabularySize);
        ArgumentNullException.ThrowIfNull(tokenizerHash);
        if (tokenizerHash.Length != 64 || !tokenizerHash.All(char.IsAsciiHexDigit))
            throw new ArgumentException($"The tokenizer hash '{tokenizerHash}' isn't a SHA-256 of 64 hexadecimal digits.", nameof(tokenizerHash));
        (_vocabularySize, _endOfTextId, _tokenizerHash) = (vocabularySize, endOfTextId, tokenizerHash);
        _bytesPerToken = TokenFileHeader.BytesFor(vocabularySize);
        _file = new AtomicFile(path);
        _filled = TokenFileHeader.Size; // zeros until Complete knows the counts
    }

    /// <summary>The tokens so far, the end-of-text ids included.</summary>
    public long TokenCount => _offsets[^1];

    /// <summary>The documents so far.</summary>
    public int DocumentCount => _offsets.Count - 1;

    /// <summary>Appends a document and an end-of-text id after it.</summary>
    /// <param name="document">Its ids, one or more, each below the vocabulary size.</param>
    /// <param name="textByteCount">The bytes of its text in UTF-8, for bits per byte; 0 where unknown.</param>
    /// <exception cref="ArgumentException">The document is empty.</exception>
    /// <exception cref="TokenOutOfRangeException">An id is outside the vocabulary; nothing of the document has been written.</exception>
    /// <exception cref="DiskFullException">There is no room; the writing has ended.</exception>
    public void Append(ReadOnlySpan<int> document, long textByteCount = 0)
    {
        if (document.IsEmpty) throw new ArgumentException("The document has no tokens; leave it out.", nameof(document));
        ArgumentOutOfRangeException.ThrowIfNegative(textByteCount);
        for (int i = 0; i < document.Length; i++)
        {
            if ((uint)document[i] >= (uint)_vocabularySize) throw new TokenOutOfRangeException(document[i], _vocabularySize, $"document {DocumentCount}, position {i}");
        }

        try
        {
            foreach (int id in document) Put(id);
            Put(_endOfTextId);
        }
        catch (Exception exception)
        {
            _file.Dispose(); // half a document has been written: nothing may follow it
            if (IOErrors.IsDiskFull(exception)) throw new DiskFullException(_file.Path, exception);
            throw;
        }

        _offsets.Add(_offsets[^1] + document.Length + 1);
        _textByteCount += textByteCount;
    }

    /// <summary>Writes the rest, flushes it to the disk and gives the file its name. Call it once, last.</summary>
    /// <exception cref="EmptyCorpusException">No document has been appended.</exception>
    /// <exception cref="DiskFullException">There is no room; an existing file of that name is still there.</exception>
    /// <exception cref="ObjectDisposedException">The file is complete, or the writing has ended with an error.</exception>
    public void Complete()
    {
        Stream stream = _file.Stream;
        if (DocumentCount == 0) throw new EmptyCorpusException($"No document was written to '{_file.Path}'. Give one document with text, or more.");
        var header = new TokenFileHeader(_bytesPerToken, _vocabularySize, _endOfTextId, TokenCount, DocumentCount, _tokenizerHash, _textByteCount);
        try
        {
            Flush();
            stream.Write(stackalloc byte[(int)(header.OffsetsPosition - stream.Position)]);
            NumberBytes.Write<long>(stream, CollectionsMarshal.AsSpan(_offsets));
            Span<byte> bytes = stackalloc byte[TokenFileHeader.Size];
            header.Write(bytes);
            stream.Position = 0;
            stream.Write(bytes);
        }
        catch (Exception exception) when (IOErrors.IsDiskFull(exception))
        {
            throw new DiskFullException(_file.Path, exception);
        }

        _file.Publish();
    }

    /// <summary>Ends the writing; without <see cref="Complete"/> before it, nothing is left of it.</summary>
    public void Dispose() => _file.Dispose();

    private void Put(int id)
    {
        if (_filled > _buffer.Length - 4) Flush();
        if (_bytesPerToken == 2) MemoryMarshal.Write(_buffer.AsSpan(_filled), (ushort)id);
        else MemoryMarshal.Write(_buffer.AsSpan(_filled), id);
        _filled += _bytesPerToken;
    }

    private void Flush()
    {
        _file.Stream.Write(_buffer, 0, _filled);
        _filled = 0;
    }
}
