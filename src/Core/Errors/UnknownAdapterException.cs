namespace MLNet.Gpt;

/// <summary>A call names a LoRA adapter that the model has not loaded, or has unloaded.</summary>
public sealed class UnknownAdapterException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="name">The name.</param>
    /// <param name="loaded">The names of those that are loaded.</param>
    public UnknownAdapterException(string name, IReadOnlyList<string> loaded)
        : base($"There is no adapter '{name}'; {(loaded?.Count > 0 ? $"loaded are {string.Join(", ", loaded.Select(static one => $"'{one}'"))}" : "none is loaded")}. Load it first, or leave the name out for the base alone.") =>
        (Name, Loaded) = (name, loaded ?? []);

    /// <summary>The name.</summary>
    public string Name { get; }

    /// <summary>The names of those that are loaded.</summary>
    public IReadOnlyList<string> Loaded { get; }
}
