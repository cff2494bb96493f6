using System.CommandLine;
using System.Text;

namespace MLNet.Gpt.Tool;

/// <summary>Reads the texts of a file, or of a folder's files.</summary>
internal static class TextFiles
{
    // UTF-8 with or without its mark; another mark decides otherwise.
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: true, throwOnInvalidBytes: true);

    /// <summary>The option that says what a document of a text is.</summary>
    public static Option<string> DocumentsOption()
    {
        var option = new Option<string>("--documents") { Description = "What a document of a text is: file, paragraph (ends at a blank line) or line.", DefaultValueFactory = static _ => "paragraph" };
        option.AcceptOnlyFromAmong("file", "paragraph", "line");
        return option;
    }

    /// <summary>The documents, none blank: those of texts, and the member "text" of each line of JSON lines.</summary>
    /// <param name="path">A *.jsonl file, a text file, or a folder with such files.</param>
    /// <param name="parsed">What was given.</param>
    /// <param name="documents">Says what a document of a text is.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="UsageException">The option is given for JSON lines, or a file is too long for one document.</exception>
    /// <exception cref="CheckpointNotFoundException">There is no such file or folder, or no text in it.</exception>
    /// <exception cref="CorruptFileException">A file is no UTF-8 text, or a line has no text.</exception>
    public static IEnumerable<string> Documents(string path, ParseResult parsed, Option<string> documents, CancellationToken cancellationToken)
    {
        const string Remedy = "Name a text file, JSON lines (*.jsonl), or a folder with *.txt or *.jsonl files";
        string[] files = File.Exists(path) ? [path]
            : Directory.Exists(path) ? [.. Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).Where(static file => IsJson(file) || file.EndsWith(".txt", StringComparison.OrdinalIgnoreCase)).Order(StringComparer.Ordinal)]
            : throw new CheckpointNotFoundException(path, "there is no such file or folder.", Remedy + ".");
        if (files.Length == 0) throw new CheckpointNotFoundException(path, "the folder has no *.txt and no *.jsonl file.", Remedy + ".");
        if (files.All(IsJson) && parsed.GetResult(documents) is { Implicit: false }) throw new UsageException($"{documents.Name} says what a document of a text is, and '{path}' holds JSON lines, of which each is one; leave it out.");
        bool any = false;
        foreach (string file in files)
        {
            cancellationToken.ThrowIfCancellationRequested();
            IEnumerable<string> parts = IsJson(file) ? JsonLines.Texts(file) : parsed.GetRequiredValue(documents) switch
            {
                "line" => Lines(file),
                "paragraph" => Paragraphs(file),
                _ => [All(file, documents)],
            };
            foreach (string part in parts)
            {
                if (string.IsNullOrWhiteSpace(part)) continue;
                any = true;
                yield return part;
            }
        }

        if (!any) throw new CheckpointNotFoundException(path, "there is no text in it.", Remedy + ", that has some.");

        static bool IsJson(string file) => file.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>A file's lines.</summary>
    /// <exception cref="CorruptFileException">It is no UTF-8 text.</exception>
    public static IEnumerable<string> Lines(string path)
    {
        using StreamReader reader = Open(File.OpenRead(path));
        while (Read(path, reader.ReadLine) is { } line) yield return line;
    }

    /// <summary>Text as UTF-8, or as its byte order mark says.</summary>
    public static StreamReader Open(Stream stream) => new(stream, Strict);

    /// <summary>What blank lines divide, one paragraph after the other, without white space around it.</summary>
    private static IEnumerable<string> Paragraphs(string path)
    {
        var paragraph = new StringBuilder();
        foreach (string line in Lines(path))
        {
            if (!string.IsNullOrWhiteSpace(line))
            {
                paragraph.Append(line).Append('\n');
                continue;
            }

            if (paragraph.Length > 0) yield return paragraph.ToString().Trim();
            paragraph.Clear();
        }

        if (paragraph.Length > 0) yield return paragraph.ToString().Trim();
    }

    private static string All(string path, Option<string> documents)
    {
        const long Most = 0x3FFF_FFDF; // characters of a string; a file has a byte or more for each
        using FileStream file = File.OpenRead(path);
        if (file.Length > Most) throw new UsageException($"{documents.Name} is file, and '{path}' has {file.Length:N0} bytes; a document has at most {Most:N0}. Set it to paragraph or line.");
        using StreamReader reader = Open(file);
        return Read(path, reader.ReadToEnd);
    }

    /// <summary>Reads from a reader of <see cref="Open"/>. A replacement character in the place of what was meant would be trained on, or counted, and nobody told.</summary>
    /// <exception cref="CorruptFileException">It is no UTF-8 text.</exception>
    public static T Read<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (DecoderFallbackException exception)
        {
            throw new CorruptFileException(path, $"it is no UTF-8 text: it holds the byte{(exception.BytesUnknown is { Length: > 1 } ? "s" : "")} {Convert.ToHexString(exception.BytesUnknown ?? [])}, which UTF-8 has not in that place.", "Save it as UTF-8, or with a byte order mark.", exception);
        }
    }
}
