namespace MLNet.Gpt;

/// <summary>
/// A file is not what its format says: a wrong magic number, a length that does not fit, overlapping
/// offsets, malformed JSON, or an unknown version. Nothing of the file has been used.
/// </summary>
public sealed class CorruptFileException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The file (or the stream's name) that is at fault.</param>
    /// <param name="problem">What is wrong, with the value found and the value expected.</param>
    /// <param name="remedy">What the user can do about it.</param>
    /// <param name="innerException">The cause, where there is one.</param>
    public CorruptFileException(string path, string problem, string remedy, Exception? innerException = null)
        : base($"'{path}' can't be read: {problem} {remedy}", innerException) => Path = path;

    /// <summary>The file at fault.</summary>
    public string Path { get; }
}
