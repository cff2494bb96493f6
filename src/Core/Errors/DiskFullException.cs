namespace MLNet.Gpt;

/// <summary>The disk has no room for what was to be written. What was there before is untouched.</summary>
public sealed class DiskFullException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The file or folder that was being written.</param>
    /// <param name="innerException">The file system's own exception.</param>
    public DiskFullException(string path, Exception innerException)
        : base($"'{path}' can't be written: the disk is full ({innerException.Message.TrimEnd('.')}). What was there before is untouched. Free some space, or choose a folder on another disk.", innerException) => Path = path;

    /// <summary>The file or folder that was being written.</summary>
    public string Path { get; }
}
