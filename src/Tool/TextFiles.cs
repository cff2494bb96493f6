using System.Text;

namespace MLNet.Gpt.Tool;

/// <summary>Reads the texts of a file, or of a folder's *.txt files.</summary>
internal static class TextFiles
{
    // UTF-8 with or without its mark; another mark decides otherwise.
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: true, throwOnInvalidBytes: true);

    /// <summary>The documents, none blank.</summary>
    /// <param name="path">A file, or a folder.</param>
    /// <param name="unit">"file", "paragraph" or "line".</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="CheckpointNotFoundException">There is no such file or folder, or no text in it.</exception>
    /// <exception cref="CorruptFileException">A file is no UTF-8 text.</exception>
    public static IEnumerable<string> Documents(string path, string unit, CancellationToken cancellationToken)
    {
        string[] files = File.Exists(path) ? [path]
            : Directory.Exists(path) ? [.. Directory.EnumerateFiles(path, "*.txt", SearchOption.AllDirectories).Order(StringComparer.Ordinal)]
            : throw new CheckpointNotFoundException(path, "there is no such file or folder.", "Name a text file, or a folder with *.txt files.");
        if (files.Length == 0) throw new CheckpointNotFoundException(path, "the folder has no *.txt file.", "Name a text file, or a folder with *.txt files.");
        bool any = false;
        foreach (string file in files)
        {
            cancellationToken.ThrowIfCancellationRequested();
            IEnumerable<string> parts = unit switch
            {
                "line" => Lines(file),
                "paragraph" => All(file).ReplaceLineEndings("\n").Split("\n\n", StringSplitOptions.TrimEntries),
                _ => [All(file)],
            };
            foreach (string part in parts)
            {
                if (string.IsNullOrWhiteSpace(part)) continue;
                any = true;
                yield return part;
            }
        }

        if (!any) throw new CheckpointNotFoundException(path, "there is no text in it.", "Name a text file, or a folder with *.txt files, that has some.");
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

    private static string All(string path)
    {
        using StreamReader reader = Open(File.OpenRead(path));
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
