namespace QuickStart;

/// <summary>The folder that an example writes into.</summary>
internal static class RunFolder
{
    private const string Mark = ".example-run"; // tells an earlier run from a folder of somebody's own

    /// <summary>Makes it anew. Only an earlier run is replaced, and never one that the new run reads from.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="input">A file or folder that the run reads; null for none.</param>
    /// <returns>Why not; null where it was made.</returns>
    public static string? Begin(string path, string? input)
    {
        string folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)), mark = Path.Combine(folder, Mark);
        if (input is not null && Path.GetFullPath(input).StartsWith(folder + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            return $"'{input}' lies in the run folder '{path}', which is replaced. Name another folder with --out.";
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
        {
            if (!File.Exists(mark)) return $"'{path}' holds something other than an earlier run. Name another folder with --out, or empty it.";
            Directory.Delete(folder, recursive: true);
        }

        Directory.CreateDirectory(folder);
        File.WriteAllText(mark, "");
        return null;
    }
}
