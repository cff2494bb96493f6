namespace MLNet.Gpt;

/// <summary>A native library (libtorch, ONNX Runtime) is missing or can't be loaded; the message says which of the two, and what helps.</summary>
public sealed class NativeLibraryException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="library">The library, by the name users know.</param>
    /// <param name="reason">What is wrong, without the full stop.</param>
    /// <param name="remedy">Which package to reference, or which system to run on.</param>
    /// <param name="innerException">The loader's own exception.</param>
    public NativeLibraryException(string library, string reason, string remedy, Exception? innerException = null)
        : base($"The native library of {library} can't be loaded: {reason}. {remedy}", innerException) => Library = library;

    /// <summary>The library, by the name users know.</summary>
    public string Library { get; }

    /// <summary>Whether the app brings no native library at all, so that a package reference is what helps.</summary>
    public bool IsMissing { get; init; }

    /// <summary>Where a library of the system is too old: the version that it must have, such as GLIBCXX_3.4.32; else null.</summary>
    public string? VersionNeeded { get; init; }

    /// <summary>Where a library of the system is too old: the newest version that it has, such as GLIBCXX_3.4.30; else null.</summary>
    public string? VersionFound { get; init; }
}
