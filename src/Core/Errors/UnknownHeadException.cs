namespace MLNet.Gpt;

/// <summary>A call names a head that a package does not have, or none where the package has several over one trunk.</summary>
public sealed class UnknownHeadException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The package's folder, or the model's name.</param>
    /// <param name="name">The name; null where none is given.</param>
    /// <param name="wanted">What the head must give; null for anything.</param>
    /// <param name="heads">The heads that there are.</param>
    public UnknownHeadException(string path, string? name, OnnxHeadKind? wanted, IReadOnlyDictionary<string, OnnxHeadKind> heads)
        : base($"{(name is null ? $"'{path}' has several heads over one trunk, and none is named." : $"'{path}' has no head '{name}'{(wanted is null ? "" : $" of the kind {wanted}")}.")} {Remedy(heads)}") =>
        (Path, Name, Wanted, Heads) = (path, name, wanted, heads);

    /// <summary>The package's folder, or the model's name.</summary>
    public string Path { get; }

    /// <summary>The name; null where none is given.</summary>
    public string? Name { get; }

    /// <summary>What the head must give; null for anything.</summary>
    public OnnxHeadKind? Wanted { get; }

    /// <summary>The heads that there are.</summary>
    public IReadOnlyDictionary<string, OnnxHeadKind> Heads { get; }

    private static string Remedy(IReadOnlyDictionary<string, OnnxHeadKind> heads)
    {
        ArgumentNullException.ThrowIfNull(heads);
        return heads.Count == 0
            ? $"It has no heads over a shared trunk; leave the name out, or export the model with {nameof(OnnxExportOptions)}.{nameof(OnnxExportOptions.Heads)}."
            : $"It has {string.Join(", ", heads.Select(static head => $"'{head.Key}' ({head.Value})"))}; name one of them.";
    }
}
