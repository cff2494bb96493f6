using System.IO.Compression;

namespace Microsoft.ML;

/// <summary>
/// A zip of named entries. Each entry is a temporary file while it is open, so that it can be long and its header can
/// be written last, and so that several can be open at once.
/// </summary>
internal abstract class Repository(string temporaryFolder)
{
    protected FileStream OpenTemporary() => new(
        Path.Combine(temporaryFolder, $"ml_dotnet_{Path.GetRandomFileName()}"),
        FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, bufferSize: 1 << 16, FileOptions.DeleteOnClose);

    protected static string ToEntryName(string directory, string name)
    {
        string path = Path.Combine(directory ?? "", name);
        Contracts.CheckParam(!path.Contains("..") && !Path.IsPathRooted(path), nameof(name), $"'{path}' isn't a path within a model file.");
        return path;
    }
}

internal sealed class RepositoryWriter(Stream stream, string temporaryFolder) : Repository(temporaryFolder), IDisposable
{
    private readonly ZipArchive _archive = new(stream, ZipArchiveMode.Create, leaveOpen: true);
    private readonly HashSet<string> _names = [];

    public void WriteEntry(string directory, string name, Action<Stream> write)
    {
        string path = ToEntryName(directory, name);
        Contracts.CheckParam(_names.Add(path), nameof(name), $"Duplicate entry: '{path}'");
        using var temporary = OpenTemporary();
        write(temporary);
        temporary.Position = 0;
        using var entry = _archive.CreateEntry(path).Open();
        temporary.CopyTo(entry);
    }

    public void Dispose() => _archive.Dispose();
}

internal sealed class RepositoryReader : Repository, IDisposable
{
    private readonly ZipArchive _archive;
    private readonly Dictionary<string, ZipArchiveEntry> _entries = [];

    public RepositoryReader(Stream stream, string temporaryFolder) : base(temporaryFolder)
    {
        try
        {
            _archive = new(stream, ZipArchiveMode.Read, leaveOpen: true);
            foreach (var entry in _archive.Entries)
                _entries[entry.FullName.Replace('\\', '/')] = entry;
        }
        catch (InvalidDataException exception)
        {
            throw Contracts.Mark(new FormatException("Failed to open a zip archive", exception));
        }
    }

    /// <returns>The entry's bytes, to be disposed by the caller; null where there is no such entry.</returns>
    public Stream OpenEntryOrNull(string directory, string name)
    {
        if (!_entries.TryGetValue(ToEntryName(directory, name).Replace('\\', '/'), out var entry))
            return null;
        var temporary = OpenTemporary();
        using var source = entry.Open();
        source.CopyTo(temporary);
        temporary.Position = 0;
        return temporary;
    }

    public void Dispose() => _archive.Dispose();
}
