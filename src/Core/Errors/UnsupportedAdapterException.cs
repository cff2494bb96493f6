namespace MLNet.Gpt;

/// <summary>
/// An adapter's configuration asks for something that this library does not do, such as DoRA or a rank of its own for each layer. It is
/// refused, because the adapter without it would be another one.
/// </summary>
public sealed class UnsupportedAdapterException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The file that says so.</param>
    /// <param name="setting">The setting, by its name in the file.</param>
    /// <param name="found">Its value there.</param>
    /// <param name="supported">The values that are supported, as text.</param>
    public UnsupportedAdapterException(string path, string setting, string found, string supported)
        : base($"'{path}': '{setting}' is {found}; supported is {supported}. Merge the adapter into its base where it was trained, and open the merged checkpoint, or train one without it.")
    {
        Path = path;
        Setting = setting;
        Found = found;
        Supported = supported;
    }

    /// <summary>The file that says so.</summary>
    public string Path { get; }

    /// <summary>The setting, by its name in the file.</summary>
    public string Setting { get; }

    /// <summary>The value found.</summary>
    public string Found { get; }

    /// <summary>The values that are supported, as text.</summary>
    public string Supported { get; }
}
