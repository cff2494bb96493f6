namespace MLNet.Gpt;

/// <summary>A saved generation's state is whole, but belongs to another model than the one that is to take it up, or to the same one in another number format.</summary>
public sealed class StateMismatchException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The file, or the stream's name.</param>
    /// <param name="part">What differs, such as "number format".</param>
    /// <param name="expected">What this model has.</param>
    /// <param name="found">What was saved.</param>
    /// <param name="remedy">What the user can do about it.</param>
    public StateMismatchException(string path, string part, string expected, string found, string remedy)
        : base($"'{path}' holds a generation's state whose {part} is {found}; this model has {expected}. {remedy}") =>
        (Path, Part, Expected, Found) = (path, part, expected, found);

    /// <summary>The file, or the stream's name.</summary>
    public string Path { get; }

    /// <summary>What differs.</summary>
    public string Part { get; }

    /// <summary>What this model has.</summary>
    public string Expected { get; }

    /// <summary>What was saved.</summary>
    public string Found { get; }
}
