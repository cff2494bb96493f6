using System.Collections.Concurrent;

namespace MLNet.Gpt;

/// <summary>
/// A temporary folder that only this user can open. It is deleted when it is disposed, else when it is collected, else when the process ends; what a killed
/// process leaves is deleted, a minute later, by the next one that makes such a folder.
/// </summary>
internal sealed class PrivateFolder : IDisposable
{
    private const string Prefix = "mlnet-gpt-model-", LockName = ".lock";

    private static readonly ConcurrentDictionary<PrivateFolderPath, byte> Live = new();

    private readonly PrivateFolderPath _folder;

    static PrivateFolder() => AppDomain.CurrentDomain.ProcessExit += (_, _) =>
    {
        foreach (PrivateFolderPath folder in Live.Keys)
            folder.Delete();
    };

    /// <summary>Makes the folder.</summary>
    /// <param name="parent">Where; it is created where it is missing.</param>
    /// <exception cref="DiskFullException">There is no room for it.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be made there.</exception>
    public PrivateFolder(string parent)
    {
        string path = System.IO.Path.Combine(System.IO.Path.GetFullPath(parent), Prefix + Guid.NewGuid().ToString("N"));
        try
        {
            Directory.CreateDirectory(parent);
            DeleteAbandoned(parent);
            if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
            else Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            _folder = new PrivateFolderPath(path, new FileStream(System.IO.Path.Combine(path, LockName), FileMode.CreateNew, FileAccess.Write, FileShare.None));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            DeleteEmpty(path);
            throw IOErrors.OnWriting(exception, path, parent);
        }

        Live.TryAdd(_folder, 0);
    }

    ~PrivateFolder() => Delete();

    public string Path => _folder.Path;

    /// <summary>The files put into it.</summary>
    public IEnumerable<string> Files() => Directory.EnumerateFiles(Path).Where(path => System.IO.Path.GetFileName(path) != LockName);

    public void Dispose()
    {
        Delete();
        GC.SuppressFinalize(this);
    }

    private void Delete()
    {
        // Null where the constructor threw and the finalizer comes all the same.
        if (_folder is not null && Live.TryRemove(_folder, out _)) _folder.Delete();
    }

    private static void DeleteEmpty(string path)
    {
        try
        {
            Directory.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It was not made, or the disk that could not hold its lock can't change it either.
        }
    }

    private static void DeleteAbandoned(string parent)
    {
        foreach (string path in Directory.EnumerateDirectories(parent, Prefix + "*"))
        {
            try
            {
                if (DateTime.UtcNow - Directory.GetLastWriteTimeUtc(path) < TimeSpan.FromMinutes(1)) continue; // perhaps being made at this moment
                using (new FileStream(System.IO.Path.Combine(path, LockName), FileMode.Open, FileAccess.Write, FileShare.None))
                {
                    // Nobody holds it: its process is gone.
                }

                Directory.Delete(path, recursive: true);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // In use, another user's, or being deleted by another process: not ours to care for.
            }
        }
    }

    private sealed record PrivateFolderPath(string Path, FileStream Lock)
    {
        public void Delete()
        {
            Lock.Dispose();
            try
            {
                Directory.Delete(Path, recursive: true);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // Windows does not delete files that are still mapped: the next process that makes such a folder will.
            }
        }
    }
}
