namespace MLNet.Gpt.Tool;

/// <summary>Reads the texts of a file, or of a folder's *.txt files.</summary>
internal static class TextFiles
{
    /// <summary>The documents, none blank.</summary>
    /// <param name="path">A file, or a folder.</param>
    /// <param name="unit">"file", "paragraph" or "line".</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="CheckpointNotFoundException">There is no such file or folder, or no text in it.</exception>
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
                "line" => File.ReadLines(file),
                "paragraph" => File.ReadAllText(file).ReplaceLineEndings("\n").Split("\n\n", StringSplitOptions.TrimEntries),
                _ => [File.ReadAllText(file)],
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
}
