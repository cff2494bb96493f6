using System.Buffers.Binary;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace MLNet.Gpt;

/// <summary>
/// A corpus on the disk: a folder with train.tokens, validation.tokens (where there is a validation side) and the report in corpus.json.
/// </summary>
/// <remarks>Thread-safe once built or opened. docs/file-formats.md gives the formats.</remarks>
public sealed class Corpus : IDisposable
{
    internal const string TrainFileName = "train.tokens", ValidationFileName = "validation.tokens", ReportFileName = "corpus.json";
    private const int ChunkDocuments = 2_048, ChunkCharacters = 4 << 20;

    private Corpus(string folder, TokenFile train, TokenFile? validation, CorpusReport report)
    {
        Folder = folder;
        Train = train;
        Validation = validation;
        Report = report;
    }

    /// <summary>The folder's full path.</summary>
    public string Folder { get; }

    /// <summary>The training side.</summary>
    public TokenFile Train { get; }

    /// <summary>The validation side; null where the validation fraction was 0.</summary>
    public TokenFile? Validation { get; }

    /// <summary>What was found and written when the corpus was built.</summary>
    public CorpusReport Report { get; }

    /// <summary>
    /// Tokenizes documents, leaves out empty ones and copies, divides them into training and validation text, and writes both. Special tokens'
    /// texts inside a document are text like any other. The result depends on the documents, their order, the tokenizer and the options alone.
    /// </summary>
    /// <param name="documents">The texts; enumerated once, on the calling thread. A null counts as an empty document.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="folder">Where to write. The folder appears, or replaces a corpus of that name, only when it is complete; on failure or cancellation what was there stays.</param>
    /// <param name="options">How; null means the defaults.</param>
    /// <param name="progress">Is told how far it is, about every four million characters; null for none.</param>
    /// <param name="cancellationToken">Ends the work between documents.</param>
    /// <returns>The corpus, opened; the caller disposes it.</returns>
    /// <exception cref="EmptyCorpusException">There are no documents, or all are empty, or a side of the split stays without text.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="FolderNotReplaceableException">The existing folder holds something that isn't part of a corpus.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing this folder.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static Corpus Build(
        IEnumerable<string?> documents, GptTokenizer tokenizer, string folder, CorpusOptions? options = null,
        IProgress<CorpusProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(documents);
        ArgumentNullException.ThrowIfNull(tokenizer);
        options = (options ?? new()).Validate();
        using var target = new AtomicFolder(folder, static name => name is TrainFileName or ValidationFileName or ReportFileName, "a corpus");
        target.Fill(work =>
        {
            using var writer = new CorpusWriter(work, tokenizer, options);
            CorpusReport report = Write(documents, tokenizer, writer, options, progress, cancellationToken);
            AtomicFile.Write(Path.Combine(work, ReportFileName), stream => JsonSerializer.Serialize(stream, report, Json));
        });
        target.Publish();
        return Open(target.Path);
    }

    /// <summary>
    /// The texts that <see cref="Build"/> puts on the training side, before copies are removed: what a tokenizer may be trained on without seeing
    /// validation text. Where all documents would be validation text, the one that Build moves to the training side is given.
    /// </summary>
    /// <param name="documents">The texts; enumerated as the result is. Nulls are left out.</param>
    /// <param name="options">The options that Build will get.</param>
    public static IEnumerable<string> TrainingTexts(IEnumerable<string?> documents, CorpusOptions options)
    {
        ArgumentNullException.ThrowIfNull(documents);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        return options.Split == CorpusSplit.ByPosition
            ? documents.OfType<string>().Select(text => text[..CorpusDocument.CutAt(text, options.ValidationFraction)])
            : ByDocument(documents, options);
    }

    private static IEnumerable<string> ByDocument(IEnumerable<string?> documents, CorpusOptions options)
    {
        bool any = false;
        (string Text, double Draw)? nearest = null;
        foreach (string? text in documents)
        {
            if (text is null) continue;
            double draw = DrawOf(HashOf(text), options);
            if (draw >= options.ValidationFraction)
            {
                any |= !string.IsNullOrWhiteSpace(text);
                yield return text;
            }
            else if (!any && !string.IsNullOrWhiteSpace(text) && (nearest is null || draw > nearest.Value.Draw))
            {
                nearest = (text, draw);
            }
        }

        if (!any && nearest is { } moved) yield return moved.Text;
    }

    /// <summary>Opens a folder that <see cref="Build"/> wrote.</summary>
    /// <param name="folder">The folder.</param>
    /// <returns>The corpus, which the caller disposes.</returns>
    /// <exception cref="CheckpointNotFoundException">The folder or one of its files is missing.</exception>
    /// <exception cref="CorruptFileException">A file is not what its format says.</exception>
    public static Corpus Open(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        string path = Path.GetFullPath(folder);
        return AtomicFolder.ReadWhole(path, () => OpenOnce(path));
    }

    private static Corpus OpenOnce(string path)
    {
        string reportPath = Path.Combine(path, ReportFileName), trainPath = Path.Combine(path, TrainFileName);
        RequireFile(reportPath);
        RequireFile(trainPath);
        CorpusReport report = ReadReport(reportPath);
        TokenFile? train = null, validation = null;
        try
        {
            train = TokenFile.Open(trainPath);
            string validationPath = Path.Combine(path, ValidationFileName);
            if (report.ValidationTokens > 0)
            {
                RequireFile(validationPath);
                validation = TokenFile.Open(validationPath);
            }

            if (train.TokenCount != report.TrainTokens || (validation?.TokenCount ?? 0) != report.ValidationTokens)
                throw new CorruptFileException(reportPath, $"it reports {report.TrainTokens} training and {report.ValidationTokens} validation tokens; the files beside it hold {train.TokenCount} and {validation?.TokenCount ?? 0}.", TokenFileHeader.Remedy);
            return new(path, train, validation, report);
        }
        catch
        {
            train?.Dispose();
            validation?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Train.Dispose();
        Validation?.Dispose();
    }

    private static JsonSerializerOptions Json { get; } = new()
    {
        WriteIndented = true,
        AllowDuplicateProperties = false,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    };

    private static CorpusReport Write(
        IEnumerable<string?> documents, GptTokenizer tokenizer, CorpusWriter writer, CorpusOptions options, IProgress<CorpusProgress>? progress, CancellationToken cancellationToken)
    {
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = options.MaxThreads ?? Environment.ProcessorCount, CancellationToken = cancellationToken };
        var seen = new HashSet<UInt128>();
        var chunk = new List<(string Text, double Draw)>();
        long read = 0, duplicates = 0, empty = 0, characters = 0;
        foreach (string? text in documents)
        {
            cancellationToken.ThrowIfCancellationRequested();
            read++;
            if (string.IsNullOrWhiteSpace(text))
            {
                empty++;
                continue;
            }

            UInt128 hash = HashOf(text);
            if (options.RemoveDuplicates && !seen.Add(hash))
            {
                duplicates++;
                continue;
            }

            chunk.Add((text, DrawOf(hash, options)));
            characters += text.Length;
            if (chunk.Count >= ChunkDocuments || characters >= ChunkCharacters) Flush();
        }

        if (read == empty)
            throw new EmptyCorpusException(read == 0 ? "The corpus has no documents. Give one document with text, or more." : $"All {read} documents are empty or white space alone. Give one document with text, or more; check that the text column is the right one.");
        Flush();
        return writer.Complete(read, duplicates, empty);

        // A chunk is tokenized by several threads and written in its order: the memory in use is bounded, the result always the same.
        void Flush()
        {
            var tokenized = new CorpusDocument[chunk.Count];
            try
            {
                Parallel.For(0, tokenized.Length, parallel, i => tokenized[i] = options is { Split: CorpusSplit.ByPosition, ValidationFraction: > 0 }
                    ? CorpusDocument.Cut(chunk[i].Text, options.ValidationFraction, tokenizer)
                    : CorpusDocument.Whole(chunk[i].Text, chunk[i].Draw, tokenizer));
            }
            catch (AggregateException exception)
            {
                // What the tokenizer says of a document, not that several threads were at work.
                ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]);
            }

            foreach (CorpusDocument document in tokenized) writer.Add(document);
            chunk.Clear();
            characters = 0;
            progress?.Report(new(read, writer.TokensWritten));
        }
    }

    /// <summary>The number in [0, 1) that decides a document's side.</summary>
    private static double DrawOf(UInt128 hash, CorpusOptions options) =>
        RandomBits.Fraction(RandomBits.Mix((ulong)hash ^ RandomBits.Mix(unchecked((ulong)options.Seed))));

    /// <summary>128 bits of the text's SHA-256: two different texts share them with a probability below n² / 2^129 among n.</summary>
    private static UInt128 HashOf(string text)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(MemoryMarshal.AsBytes(text.AsSpan()), hash);
        return BinaryPrimitives.ReadUInt128LittleEndian(hash);
    }

    private static void RequireFile(string path)
    {
        if (!File.Exists(path)) throw new CheckpointNotFoundException(path, "There is no such file.", $"Name a folder that {nameof(Corpus)}.{nameof(Build)} wrote.");
    }

    private static CorpusReport ReadReport(string path)
    {
        try
        {
            return StrictJson.Deserialize<CorpusReport>(File.ReadAllBytes(path), Json);
        }
        catch (JsonException exception)
        {
            throw new CorruptFileException(path, $"it is no valid report ({exception.Message.TrimEnd('.')}).", TokenFileHeader.Remedy, exception);
        }
    }
}
