namespace MLNet.Gpt;

/// <summary>
/// A checkpoint describes a computation that this library does not perform, such as another activation function or an
/// output head of its own. It is refused, because running it without that would give wrong results.
/// </summary>
public sealed class UnsupportedModelException : UnsupportedSettingException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The file that says so.</param>
    /// <param name="setting">The setting or tensor, by its name in the file.</param>
    /// <param name="found">Its value there.</param>
    /// <param name="supported">The values that are supported, as text.</param>
    public UnsupportedModelException(string path, string setting, string found, string supported)
        : base(path, setting, found, supported, "Running the model without it would give wrong results; use a checkpoint of GPT-1's or GPT-2's form.")
    {
    }
}
