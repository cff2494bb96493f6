namespace MLNet.Gpt.Architecture.Tests.Standins;

/// <summary>
/// The lines of the official packages' API listings that the stand-ins need, one file an assembly in
/// <c>standins/official-api/</c>. <c>eng/update-official-api.sh</c> brings them up to date from full listings.
/// </summary>
internal static class OfficialListing
{
    /// <summary>Where full listings lie; set by the script that updates the committed lines, else null.</summary>
    public static string? FullListings { get; } = Environment.GetEnvironmentVariable("MLNET_GPT_OFFICIAL_API") is { Length: > 0 } folder ? folder : null;

    public static string PathOf(string assembly) => Repository.PathOf("standins", "official-api", assembly + ".txt");

    public static IReadOnlyList<string> Committed(string assembly) => File.Exists(PathOf(assembly)) ? File.ReadAllLines(PathOf(assembly)) : [];

    /// <summary>The full listing of an assembly: NAME.txt or NAME-VERSION.txt.</summary>
    public static IReadOnlySet<string> Full(string folder, string assembly)
    {
        string[] files = [.. Directory.GetFiles(folder, assembly + ".txt"), .. Directory.GetFiles(folder, assembly + "-*.txt")];
        if (files.Length != 1)
            throw new FileNotFoundException($"{folder} has {files.Length} listings of {assembly}; it needs exactly one file named {assembly}.txt or {assembly}-VERSION.txt.");
        return File.ReadAllLines(files[0]).ToHashSet();
    }

    public static void Write(string assembly, IEnumerable<string> lines)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(PathOf(assembly))!);
        File.WriteAllText(PathOf(assembly), string.Concat(lines.Select(line => line + "\n")));
    }
}
