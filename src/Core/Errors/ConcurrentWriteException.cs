namespace MLNet.Gpt;

/// <summary>Another writer (a thread or a process) is writing the same file or folder at this moment.</summary>
public sealed class ConcurrentWriteException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The file or folder that both want to write.</param>
    /// <param name="innerException">The file system's own exception.</param>
    public ConcurrentWriteException(string path, Exception innerException)
        : base($"'{path}' is being written by another thread or process. Wait until it has finished, or give each run a folder of its own.", innerException) => Path = path;

    /// <summary>The file or folder that both want to write.</summary>
    public string Path { get; }
}
