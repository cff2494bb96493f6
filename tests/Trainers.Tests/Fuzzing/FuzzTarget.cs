namespace MLNet.Gpt.Trainers.Tests.Fuzzing;

/// <summary>A parser, a valid input for it, and how that is damaged.</summary>
/// <param name="Name">The name in reports.</param>
/// <param name="File">The file that is damaged, relative to the folder that <paramref name="Prepare"/> fills.</param>
/// <param name="Prepare">Writes the valid files into an empty folder.</param>
/// <param name="Mutate">Damages the file's bytes.</param>
/// <param name="Read">Parses the files of a folder; whatever it throws that is no <see cref="GptException"/> is a fault.</param>
internal sealed record FuzzTarget(string Name, string File, Action<string> Prepare, Func<byte[], Random, byte[]> Mutate, Action<string> Read)
{
    /// <summary>Whether the file is JSON, or a text that holds JSON only: then every string of it is checked.</summary>
    public bool IsJson { get; init; }

    /// <summary>Whether a part that is not this library's reads the file first: its exceptions count only where they come through this library's code.</summary>
    public bool IsReadByOthers { get; init; }

    /// <summary>Whether a damaged file is passed over and nothing said: another program's, which this library writes into where it can read it.</summary>
    public bool IsPassedOver { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
