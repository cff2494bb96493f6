namespace MLNet.Gpt;

/// <summary>A file asks for something that this library does not do: a setting has a value that is refused, because going on without it would give wrong results.</summary>
public abstract class UnsupportedSettingException : GptException
{
    private protected UnsupportedSettingException(string path, string setting, string found, string supported, string remedy)
        : base($"'{path}': '{setting}' is {found}; supported is {supported}. {remedy}")
    {
        Path = path;
        Setting = setting;
        Found = found;
        Supported = supported;
    }

    /// <summary>The file that says so.</summary>
    public string Path { get; }

    /// <summary>The setting or tensor, by its name in the file.</summary>
    public string Setting { get; }

    /// <summary>The value found.</summary>
    public string Found { get; }

    /// <summary>The values that are supported, as text.</summary>
    public string Supported { get; }
}
