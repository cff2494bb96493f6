using System.Reflection;

namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>What the build of these tests knew: the project file writes it as assembly metadata.</summary>
internal static class BuildFacts
{
    public static string Of(string key) => typeof(BuildFacts).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(data => data.Key == key).Value!;
}
