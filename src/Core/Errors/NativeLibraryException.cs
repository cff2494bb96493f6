namespace MLNet.Gpt;

/// <summary>A native library (libtorch, ONNX Runtime) is missing or can't be loaded.</summary>
public sealed class NativeLibraryException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="library">The library, by the name users know.</param>
    /// <param name="remedy">Which package to reference or install.</param>
    /// <param name="innerException">The loader's own exception.</param>
    public NativeLibraryException(string library, string remedy, Exception? innerException = null)
        : base($"The native library of {library} can't be loaded: {innerException?.Message ?? "not found"}. {remedy}", innerException) => Library = library;

    /// <summary>The library, by the name users know.</summary>
    public string Library { get; }
}
