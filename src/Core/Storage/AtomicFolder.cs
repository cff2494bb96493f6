namespace MLNet.Gpt;

/// <summary>
/// A folder that appears, or replaces the one of that name, only when it is complete. Its files are written into a hidden
/// folder beside the final one; <see cref="Publish"/> flushes all of them to the disk and exchanges the two. Whatever happens,
/// and at whatever moment the process is killed, either the old folder or the new one can be used.
/// </summary>
/// <remarks>
/// On Linux the exchange is one system call (renameat2), so that the final name is never missing. Elsewhere, and on file systems
/// without that call, it is two renames; should the process be killed between them, <see cref="Recover"/> finishes them.
/// Not thread-safe; one writer at a time may write a path.
/// </remarks>
internal sealed class AtomicFolder : IDisposable
{
    private const int MostReadings = 20;

    private readonly Func<string, bool> _belongs;
    private readonly string _contents;
    private readonly WriteLock _lock;
    private bool _closed;

    /// <summary>Begins writing; creates the parent folder where that is missing.</summary>
    /// <param name="path">The folder to appear. If it exists it stays as it is until <see cref="Publish"/>.</param>
    /// <param name="belongs">
    /// Whether a file or folder directly in it, by its name, is part of such a folder. An existing folder with anything else in it is not replaced.
    /// </param>
    /// <param name="contents">What such a folder holds, for messages, e.g. "a checkpoint".</param>
    /// <exception cref="ArgumentException">The folder is the current one of this process.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="FolderNotReplaceableException">The existing folder holds something that does not belong.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing this folder.</exception>
    public AtomicFolder(string path, Func<string, bool> belongs, string contents)
    {
        ArgumentNullException.ThrowIfNull(belongs);
        ArgumentException.ThrowIfNullOrWhiteSpace(contents);
        Path = SiblingPath.Resolve(path);
        if (IsCurrent(Path)) throw new ArgumentException($"'{path}' is the folder that this process is in, which would be left in a deleted one; name another, such as one below it.", nameof(path));
        WorkPath = SiblingPath.Of(Path, "writing");
        _belongs = belongs;
        _contents = contents;
        try
        {
            Directory.CreateDirectory(SiblingPath.ParentOf(Path));
            _lock = WriteLock.Take(Path);
            try
            {
                FinishInterrupted(Path);
                ThrowIfForeign(Path);
                DeleteFolder(WorkPath); // what a killed process may have left
                Directory.CreateDirectory(WorkPath);
            }
            catch
            {
                _lock.Dispose();
                throw;
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw IOErrors.OnWriting(exception, Path, Path);
        }
    }

    /// <summary>The folder's full path.</summary>
    public string Path { get; }

    /// <summary>The hidden folder to write the files into, on the same file system.</summary>
    public string WorkPath { get; }

    /// <summary>For tests: called with the name of each step of <see cref="Publish"/> once it is done.</summary>
    internal Action<string>? StepDone { get; set; }

    /// <summary>For tests: do as on a system that can't exchange two folders in one call.</summary>
    internal bool WithoutExchange { get; set; }

    /// <summary>Writes the folder's contents. What the disk refuses is told of the folder that was to appear, which the caller knows, and not of the hidden one.</summary>
    /// <param name="write">Is given <see cref="WorkPath"/>.</param>
    /// <exception cref="DiskFullException">There is no room; the old folder is still there.</exception>
    /// <exception cref="FolderNotWritableException">A file can't be written; the old folder is still there.</exception>
    /// <exception cref="ObjectDisposedException">The folder has been published or given up.</exception>
    public void Fill(Action<string> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        ObjectDisposedException.ThrowIf(_closed, this);
        try
        {
            write(WorkPath);
        }
        catch (DiskFullException exception) when (IsHidden(exception.Path))
        {
            throw new DiskFullException(Path, exception.InnerException ?? exception);
        }
        catch (FolderNotWritableException exception) when (IsHidden(exception.Path))
        {
            throw new FolderNotWritableException(Path, exception.InnerException ?? exception);
        }
        catch (Exception exception) when (IOErrors.IsDiskFull(exception))
        {
            throw new DiskFullException(Path, exception);
        }
    }

    /// <summary>Flushes everything to the disk and puts the folder in its place. Call it once, last.</summary>
    /// <exception cref="InvalidOperationException">Something in <see cref="WorkPath"/> does not belong to such a folder.</exception>
    /// <exception cref="FolderNotReplaceableException">Something that does not belong has appeared in the existing folder.</exception>
    /// <exception cref="FolderNotWritableException">The folders can't be exchanged (the path may be a mount point); the old one is still there.</exception>
    /// <exception cref="DiskFullException">There is no room for the last bytes; the old folder is still there.</exception>
    /// <exception cref="ObjectDisposedException">The folder has been published or given up.</exception>
    public void Publish()
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        if (FirstForeign(WorkPath) is { } name)
            throw new InvalidOperationException($"'{name}' was written into the folder, but isn't part of {_contents}; a later writer would refuse to replace it.");
        ThrowIfForeign(Path);
        try
        {
            DiskSync.Tree(WorkPath);
            StepDone?.Invoke("flushed");
            string parent = SiblingPath.ParentOf(Path);
            if (!Directory.Exists(Path))
            {
                Directory.Move(WorkPath, Path);
                DiskSync.Folder(parent);
                StepDone?.Invoke("published");
            }
            else if (!WithoutExchange && DiskSync.TryExchange(WorkPath, Path))
            {
                DiskSync.Folder(parent);
                StepDone?.Invoke("published");
                DeleteFolder(WorkPath); // by now the old folder
            }
            else
            {
                ExchangeByRenames(parent);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw IOErrors.OnWriting(exception, Path, Path);
        }

        Dispose();
    }

    /// <summary>Gives up what has not been published and removes it.</summary>
    public void Dispose()
    {
        if (_closed) return;
        _closed = true;
        try
        {
            DeleteFolder(WorkPath);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The next writer of this path removes it; the exception that led here matters more.
        }

        _lock.Dispose();
    }

    /// <summary>
    /// Puts a folder back in its place whose writer was killed between the two renames: the new one, which was complete.
    /// Does nothing where the folder is in its place. Readers call it before they open the folder.
    /// </summary>
    /// <param name="path">The folder.</param>
    /// <exception cref="ConcurrentWriteException">A writer has held the folder for more than ten seconds while its name was missing.</exception>
    public static void Recover(string path)
    {
        string full = SiblingPath.Resolve(path);
        for (int attempt = 0; !Directory.Exists(full) && HasRemains(full); attempt++)
        {
            try
            {
                using WriteLock held = WriteLock.Take(full);
                FinishInterrupted(full);
            }
            catch (ConcurrentWriteException) when (attempt < 100)
            {
                Thread.Sleep(100); // a living writer is between its two renames
            }
        }
    }

    /// <summary>Checks that a folder can be written and replaced, without changing it, so that a long run does not end in vain.</summary>
    /// <param name="path">The folder, which need not exist.</param>
    /// <param name="belongs">As for the constructor.</param>
    /// <param name="contents">As for the constructor.</param>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="FolderNotReplaceableException">The existing folder holds something that does not belong.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing this folder.</exception>
    public static void ThrowIfNotWritable(string path, Func<string, bool> belongs, string contents)
    {
        using var folder = new AtomicFolder(path, belongs, contents);
    }

    /// <summary>
    /// Finishes what a killed writer left, and reads a folder of which all files belong together. A writer may put another folder in its place meanwhile: what was read, or what went wrong, is then
    /// of both, and it is read again. What is read of a folder that has changed twenty times is taken: then something else goes on writing there.
    /// </summary>
    /// <param name="path">The folder.</param>
    /// <param name="read">Reads it. What it gives is disposed where it is read again, if it can be.</param>
    public static T ReadWhole<T>(string path, Func<T> read)
    {
        for (int attempt = 1; ; attempt++)
        {
            Recover(path);
            var before = StampOf(path);
            T result;
            try
            {
                result = read();
            }
            catch (Exception exception) when (exception is GptException or IOException && attempt < MostReadings && StampOf(path) != before)
            {
                continue;
            }

            if (attempt == MostReadings || StampOf(path) == before) return result;
            (result as IDisposable)?.Dispose();
        }
    }

    // A folder in the place of another was made and filled at other times. Of a link, its own times and those of what it leads to: both may be replaced.
    private static (DateTime, DateTime, DateTime, DateTime) StampOf(string path)
    {
        string link = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path)), target = SiblingPath.Resolve(path);
        return (Directory.GetCreationTimeUtc(link), Directory.GetLastWriteTimeUtc(link), Directory.GetCreationTimeUtc(target), Directory.GetLastWriteTimeUtc(target));
    }

    private bool IsHidden(string path) => path == WorkPath || path.StartsWith(WorkPath + System.IO.Path.DirectorySeparatorChar, StringComparison.Ordinal);

    private static bool IsCurrent(string path)
    {
        try
        {
            return Directory.GetCurrentDirectory() == path;
        }
        catch (IOException)
        {
            return false; // it has been deleted
        }
    }

    private static string CompletePath(string path) => SiblingPath.Of(path, "complete");

    private static string PreviousPath(string path) => SiblingPath.Of(path, "previous");

    private static bool HasRemains(string path) => Directory.Exists(CompletePath(path)) || Directory.Exists(PreviousPath(path));

    private static void DeleteFolder(string path)
    {
        if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
    }

    /// <summary>Called with the lock held: brings the name back if it is missing, and removes what else is left.</summary>
    private static void FinishInterrupted(string path)
    {
        string complete = CompletePath(path), previous = PreviousPath(path);
        if (!Directory.Exists(path))
        {
            string? source = Directory.Exists(complete) ? complete : Directory.Exists(previous) ? previous : null;
            if (source is null) return;
            Directory.Move(source, path);
            DiskSync.Folder(SiblingPath.ParentOf(path));
        }

        DeleteFolder(complete);
        DeleteFolder(previous);
    }

    private void ExchangeByRenames(string parent)
    {
        string complete = CompletePath(Path), previous = PreviousPath(Path);
        Directory.Move(WorkPath, complete); // from now on known to be complete
        DiskSync.Folder(parent);
        StepDone?.Invoke("complete");
        Directory.Move(Path, previous);
        StepDone?.Invoke("moved away");
        try
        {
            Directory.Move(complete, Path);
        }
        catch
        {
            Directory.Move(previous, Path);
            throw;
        }

        DiskSync.Folder(parent);
        StepDone?.Invoke("published");
        DeleteFolder(previous);
    }

    private string? FirstForeign(string folder) =>
        Directory.EnumerateFileSystemEntries(folder).Select(System.IO.Path.GetFileName).FirstOrDefault(name => !_belongs(name!));

    private void ThrowIfForeign(string folder)
    {
        if (File.Exists(folder)) throw new FolderNotWritableException(folder, new IOException("A file of that name exists."));
        if (Directory.Exists(folder) && FirstForeign(folder) is { } name) throw new FolderNotReplaceableException(folder, name, _contents);
    }
}
