namespace MLNet.Gpt;

/// <summary>
/// An adapter's configuration asks for something that this library does not do, such as DoRA or a rank of its own for each layer. It is
/// refused, because the adapter without it would be another one.
/// </summary>
public sealed class UnsupportedAdapterException : UnsupportedSettingException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The file that says so.</param>
    /// <param name="setting">The setting, by its name in the file.</param>
    /// <param name="found">Its value there.</param>
    /// <param name="supported">The values that are supported, as text.</param>
    public UnsupportedAdapterException(string path, string setting, string found, string supported)
        : base(path, setting, found, supported, "Merge the adapter into its base where it was trained, and open the merged checkpoint, or train one without it.")
    {
    }

    /// <summary>Creates the exception where something else than merging helps.</summary>
    /// <param name="path">The file that says so.</param>
    /// <param name="setting">The setting, by its name in the file.</param>
    /// <param name="found">Its value there.</param>
    /// <param name="supported">The values that are supported, as text.</param>
    /// <param name="remedy">What the user can do about it.</param>
    public UnsupportedAdapterException(string path, string setting, string found, string supported, string remedy)
        : base(path, setting, found, supported, remedy)
    {
    }
}
