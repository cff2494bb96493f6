namespace MLNet.Gpt;

/// <summary>
/// A file that appears, or replaces the one of that name, only when it is complete: it is written under a hidden name beside
/// the final one, flushed to the disk and renamed. Whatever happens before <see cref="Publish"/>, the old file stays as it was.
/// </summary>
/// <remarks>Not thread-safe. One writer at a time may write a path; a second one gets a <see cref="ConcurrentWriteException"/>.</remarks>
internal sealed class AtomicFile : IDisposable
{
    private readonly string _workPath;
    private readonly WriteLock _lock;
    private readonly FileStream _stream;
    private bool _closed;

    /// <summary>Begins writing; creates the file's folder where that is missing.</summary>
    /// <param name="path">The file to appear.</param>
    /// <param name="expectedLength">
    /// The length in bytes, where it is known, so that a disk without room for it is found now and not after the work; 0 where it is not known.
    /// </param>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="DiskFullException">There is no room for <paramref name="expectedLength"/> bytes.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing this file.</exception>
    public AtomicFile(string path, long expectedLength = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(expectedLength);
        Path = SiblingPath.Resolve(path);
        _workPath = SiblingPath.Of(Path, "writing");
        string folder = SiblingPath.ParentOf(Path);
        if (Directory.Exists(Path)) throw new FolderNotWritableException(folder, new IOException($"'{Path}' is a folder, not a file."));
        try
        {
            Directory.CreateDirectory(folder);
            _lock = WriteLock.Take(Path);
            try
            {
                File.Delete(_workPath); // what a killed process may have left
                _stream = new FileStream(_workPath, new FileStreamOptions
                {
                    Mode = FileMode.CreateNew,
                    Access = FileAccess.ReadWrite,
                    Share = FileShare.Delete,
                    BufferSize = 1 << 16,
                    PreallocationSize = expectedLength,
                });
            }
            catch
            {
                _lock.Dispose();
                throw;
            }
        }
        catch (Exception exception) when (expectedLength > 0 && IOErrors.IsRoomRefused(exception))
        {
            throw new DiskFullException(Path, exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw IOErrors.OnWriting(exception, Path, folder);
        }
    }

    /// <summary>The file's full path.</summary>
    public string Path { get; }

    /// <summary>Where to write the contents; it can seek. Writing to it throws the file system's own exceptions.</summary>
    /// <exception cref="ObjectDisposedException">The file has been published or given up.</exception>
    public Stream Stream
    {
        get
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            return _stream;
        }
    }

    /// <summary>Flushes the contents to the disk and gives the file its name. Call it once, last.</summary>
    /// <exception cref="DiskFullException">There is no room for the last bytes; the old file is still there.</exception>
    /// <exception cref="FolderNotWritableException">The file can't be renamed; the old file is still there.</exception>
    /// <exception cref="ObjectDisposedException">The file has been published or given up.</exception>
    public void Publish()
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        string folder = SiblingPath.ParentOf(Path);
        try
        {
            _stream.Flush(flushToDisk: true);
            _stream.Dispose();
            File.Move(_workPath, Path, overwrite: true);
            DiskSync.Folder(folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw IOErrors.OnWriting(exception, Path, folder);
        }
        finally
        {
            Dispose();
        }
    }

    /// <summary>Gives up what has not been published and removes it.</summary>
    public void Dispose()
    {
        if (_closed) return;
        _closed = true;
        try
        {
            _stream.Dispose();
        }
        catch (IOException)
        {
            // The buffered rest of a file that is being given up did not fit the disk: it is deleted next.
        }

        try
        {
            File.Delete(_workPath);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The next writer of this path removes it; the exception that led here matters more.
        }

        _lock.Dispose();
    }

    /// <summary>Writes a whole file atomically.</summary>
    /// <param name="path">The file to appear.</param>
    /// <param name="write">Writes the contents to the stream. An exception from it leaves the old file as it was.</param>
    /// <param name="expectedLength">The length in bytes where it is known, else 0.</param>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing this file.</exception>
    public static void Write(string path, Action<Stream> write, long expectedLength = 0)
    {
        ArgumentNullException.ThrowIfNull(write);
        using var file = new AtomicFile(path, expectedLength);
        file.Fill(write);
        file.Publish();
    }

    /// <summary>Writes files that belong together: none replaces an older one before all are whole and on the disk, and a second writer of any of them gets a <see cref="ConcurrentWriteException"/> before it has replaced one.</summary>
    /// <param name="files">The files to appear, in this order, and what writes the contents of each.</param>
    /// <exception cref="FolderNotWritableException">A folder can't be created or written.</exception>
    /// <exception cref="DiskFullException">There is no room; the old files are still there.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing one of the files.</exception>
    public static void WriteTogether(params ReadOnlySpan<(string Path, Action<Stream> Write)> files)
    {
        var begun = new List<AtomicFile>(files.Length);
        try
        {
            foreach ((string path, Action<Stream> write) in files)
            {
                begun.Add(new(path));
                begun[^1].Fill(write);
            }

            foreach (AtomicFile file in begun) file.Publish();
        }
        finally
        {
            foreach (AtomicFile file in begun) file.Dispose();
        }
    }

    private void Fill(Action<Stream> write)
    {
        try
        {
            write(Stream);
            _stream.Flush(flushToDisk: true); // some file systems find only now that there is no room
        }
        catch (Exception exception) when (IOErrors.IsDiskFull(exception))
        {
            throw new DiskFullException(Path, exception);
        }
    }
}
