namespace MLNet.Gpt;

/// <summary>
/// A tokenizer file describes a tokenization that this library does not perform. It is refused, because encoding without
/// that would give the model other tokens than it was trained on.
/// </summary>
public sealed class UnsupportedTokenizerException : UnsupportedSettingException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The file that says so.</param>
    /// <param name="setting">The setting, by its name in the file.</param>
    /// <param name="found">Its value there.</param>
    /// <param name="supported">The values that are supported, as text.</param>
    public UnsupportedTokenizerException(string path, string setting, string found, string supported)
        : this(path, setting, found, supported, "Encoding without it would give other tokens; use a byte-level BPE tokenizer of GPT-2's form.")
    {
    }

    /// <summary>Creates the exception.</summary>
    /// <param name="path">The file that says so.</param>
    /// <param name="setting">The setting, by its name in the file.</param>
    /// <param name="found">Its value there.</param>
    /// <param name="supported">The values that are supported, as text.</param>
    /// <param name="remedy">What the user can do about it.</param>
    public UnsupportedTokenizerException(string path, string setting, string found, string supported, string remedy)
        : base(path, setting, found, supported, remedy)
    {
    }
}
