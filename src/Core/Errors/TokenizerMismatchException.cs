namespace MLNet.Gpt;

/// <summary>A token file or a model was made with another tokenizer than the one it is used with; its ids mean other texts.</summary>
public sealed class TokenizerMismatchException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The file at fault.</param>
    /// <param name="expected">What the file was made with.</param>
    /// <param name="found">What it is used with.</param>
    /// <param name="remedy">What the user can do about it.</param>
    public TokenizerMismatchException(string path, string expected, string found, string remedy)
        : base($"'{path}' belongs to {expected}, but is used with {found}. {remedy}")
    {
        Path = path;
        Expected = expected;
        Found = found;
    }

    /// <summary>The file at fault.</summary>
    public string Path { get; }

    /// <summary>What the file was made with.</summary>
    public string Expected { get; }

    /// <summary>What it is used with.</summary>
    public string Found { get; }
}
