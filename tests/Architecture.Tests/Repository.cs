using System.Reflection;

namespace MLNet.Gpt.Architecture.Tests;

/// <summary>The checkout that this assembly was built from, and the package stack that it was built with.</summary>
internal static class Repository
{
    public static string Root { get; } = Metadata("RepositoryRoot");

    public static bool HasStandins { get; } = Metadata("GptPackageStack") == "standins";

    /// <summary>The assemblies under standins/. ONNX Runtime isn't among them: it is built from its official sources.</summary>
    public static IReadOnlyList<string> Standins { get; } =
        [.. Directory.GetDirectories(PathOf("standins")).Select(folder => Path.GetFileName(folder)!)
            .Where(name => name != "Microsoft.ML.OnnxRuntime.Managed" && File.Exists(PathOf("standins", name, name + ".csproj")))
            .Order(StringComparer.Ordinal)];

    /// <summary>The assemblies of src/.</summary>
    public static IReadOnlyList<string> Libraries { get; } = ["MLNet.Gpt.Core", "MLNet.Gpt.Export", "MLNet.Gpt.Trainers", "MLNet.Gpt.Transforms"];

    public static string PathOf(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>The C# files under a folder of the checkout, without build output.</summary>
    public static IEnumerable<string> Sources(string folder) =>
        Directory.EnumerateFiles(PathOf(folder), "*.cs", SearchOption.AllDirectories)
            .Where(file => !Path.GetRelativePath(Root, file).Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj"));

    public static void RequireStandins()
    {
        if (!HasStandins)
            Assert.Inconclusive("Built with the official packages, so there are no stand-ins to check.");
    }

    private static string Metadata(string key) =>
        typeof(Repository).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(attribute => attribute.Key == key).Value!;
}
