namespace MLNet.Gpt;

/// <summary>A new run was to go into a folder that holds one already. Nothing was changed.</summary>
public sealed class RunExistsException : GptException
{
    internal RunExistsException(string path)
        : base($"Folder '{path}' holds the checkpoints of a run. Set Resume to continue it, choose another folder, or delete it.") => Path = path;

    /// <summary>The folder.</summary>
    public string Path { get; }
}
