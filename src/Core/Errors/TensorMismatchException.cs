namespace MLNet.Gpt;

/// <summary>A checkpoint lacks a tensor, or holds it with another shape or type than the configuration asks for.</summary>
public sealed class TensorMismatchException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The checkpoint's file.</param>
    /// <param name="tensorName">The tensor, by its name in the checkpoint.</param>
    /// <param name="expected">The expected shape and type, as text.</param>
    /// <param name="found">The found shape and type, or "nothing".</param>
    /// <param name="remedy">What the user can do about it.</param>
    public TensorMismatchException(string path, string tensorName, string expected, string found, string remedy)
        : base($"Tensor '{tensorName}' in '{path}': expected {expected}, found {found}. {remedy}")
    {
        Path = path;
        TensorName = tensorName;
        Expected = expected;
        Found = found;
    }

    /// <summary>The checkpoint's file.</summary>
    public string Path { get; }

    /// <summary>The tensor's name in the checkpoint.</summary>
    public string TensorName { get; }

    /// <summary>The expected shape and type.</summary>
    public string Expected { get; }

    /// <summary>The found shape and type, or "nothing".</summary>
    public string Found { get; }
}
