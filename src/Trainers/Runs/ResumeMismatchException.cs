namespace MLNet.Gpt;

/// <summary>A run can't be resumed with these options: it would not continue to the same losses.</summary>
public sealed class ResumeMismatchException : GptException
{
    internal ResumeMismatchException(string path, IReadOnlyList<(string Name, string Before, string Now)> differences)
        : base($"The run in '{path}' can't be resumed: {string.Join("; ", differences.Select(static d => $"{d.Name} was {d.Before} and is {d.Now}"))}. "
            + "Set what differs back, or begin a new run in another folder.") =>
        Differences = [.. differences.Select(static d => d.Name)];

    /// <summary>The names of what differs.</summary>
    public IReadOnlyList<string> Differences { get; }
}
