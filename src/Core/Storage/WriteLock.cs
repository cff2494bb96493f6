namespace MLNet.Gpt;

/// <summary>
/// Holds a file or folder for one writer: a hidden file beside it, locked by the operating system and released by it when the
/// process ends in whatever way.
/// </summary>
internal sealed class WriteLock : IDisposable
{
    private readonly FileStream _file;

    private WriteLock(FileStream file) => _file = file;

    /// <summary>Takes the lock.</summary>
    /// <param name="target">The full path of the file or folder to be written; its parent must exist.</param>
    /// <param name="known">What the caller's user knows it by; null (the default) for <paramref name="target"/> itself.</param>
    /// <exception cref="ConcurrentWriteException">Another writer holds it.</exception>
    public static WriteLock Take(string target, string? known = null)
    {
        string path = SiblingPath.Of(target, "lock");
        try
        {
            return new(new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None, bufferSize: 0, FileOptions.DeleteOnClose));
        }
        catch (IOException exception) when (IOErrors.IsHeldByAnother(exception))
        {
            throw new ConcurrentWriteException(known ?? target, exception);
        }
    }

    public void Dispose() => _file.Dispose();
}
