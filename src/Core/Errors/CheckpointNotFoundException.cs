namespace MLNet.Gpt;

/// <summary>A folder (or a file of it) that should be opened does not exist.</summary>
public sealed class CheckpointNotFoundException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The folder or file that was to be opened.</param>
    /// <param name="problem">What is missing.</param>
    /// <param name="remedy">What the user can do about it.</param>
    public CheckpointNotFoundException(string path, string problem, string remedy)
        : base($"'{path}' can't be opened: {problem} {remedy}") => Path = path;

    /// <summary>The folder or file that was to be opened.</summary>
    public string Path { get; }
}
