namespace MLNet.Gpt;

/// <summary>The hidden names beside a file or folder that is being replaced.</summary>
internal static class SiblingPath
{
    /// <summary>".{name}.{role}" in the same folder, and so on the same file system, as <paramref name="target"/>.</summary>
    public static string Of(string target, string role) => Path.Combine(ParentOf(target), $".{Path.GetFileName(target)}.{role}");

    /// <summary>The folder that holds <paramref name="target"/>.</summary>
    public static string ParentOf(string target) => Path.GetDirectoryName(target)
        ?? throw new ArgumentException($"'{target}' is the root of a file system; name a file or folder below it.", nameof(target));

    /// <summary>The full path without a trailing separator, a symbolic link replaced by what it points to; a link that leads in a circle stays what it is.</summary>
    public static string Resolve(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        FileSystemInfo entry = Directory.Exists(full) ? new DirectoryInfo(full) : new FileInfo(full);
        if (entry.LinkTarget is null) return full;
        try
        {
            return entry.ResolveLinkTarget(returnFinalTarget: true)!.FullName;
        }
        catch (IOException)
        {
            return full; // nothing is there, as whoever opens it finds
        }
    }
}
