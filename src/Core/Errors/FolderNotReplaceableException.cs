namespace MLNet.Gpt;

/// <summary>
/// A folder that was to be replaced as a whole holds something that is not part of what stood there, so replacing it
/// would delete a user's file. Nothing was changed.
/// </summary>
public sealed class FolderNotReplaceableException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="entryName">The file or folder in it that does not belong.</param>
    /// <param name="contents">What the folder should hold, e.g. "a checkpoint".</param>
    public FolderNotReplaceableException(string path, string entryName, string contents)
        : base($"Folder '{path}' holds '{entryName}', which isn't part of {contents}; writing replaces the whole folder and would delete it. Choose another folder, or move '{entryName}' elsewhere.")
    {
        Path = path;
        EntryName = entryName;
    }

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>The file or folder in it that does not belong.</summary>
    public string EntryName { get; }
}
