using System.Reflection;

namespace MLNet.Gpt.Architecture.Tests;

/// <summary>The checkout that this assembly was built from.</summary>
internal static class Repository
{
    public static string Root { get; } = Metadata("RepositoryRoot");

    /// <summary>The assemblies of src/.</summary>
    public static IReadOnlyList<string> Libraries { get; } = ["MLNet.Gpt.Core", "MLNet.Gpt.Export", "MLNet.Gpt.Trainers", "MLNet.Gpt.Transforms"];

    public static string PathOf(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>The C# files under a folder of the checkout, without build output.</summary>
    public static IEnumerable<string> Sources(string folder) =>
        Directory.EnumerateFiles(PathOf(folder), "*.cs", SearchOption.AllDirectories)
            .Where(file => !Path.GetRelativePath(Root, file).Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj"));

    private static string Metadata(string key) =>
        typeof(Repository).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == key).Value!;
}
