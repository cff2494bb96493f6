namespace MLNet.Gpt;

/// <summary>A folder that results should go to can't be created or written. What was there is untouched.</summary>
public sealed class FolderNotWritableException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="innerException">The file system's own exception.</param>
    public FolderNotWritableException(string path, Exception innerException)
        : base($"Folder '{path}' can't be written: {innerException.Message.TrimEnd('.')}. Choose another folder, or grant this user write permission.", innerException) => Path = path;

    /// <summary>The folder.</summary>
    public string Path { get; }
}
