namespace MLNet.Gpt.Core.Tests;

/// <summary>What this process has mapped into memory.</summary>
internal static class MappedFiles
{
    /// <summary>The names of the files in a folder that are mapped. Empty where the system does not tell; Windows refuses to delete such a file, and <see cref="TemporaryFolder.Dispose"/> then fails.</summary>
    public static string[] In(string folder) => !OperatingSystem.IsLinux() ? []
        : [.. File.ReadLines("/proc/self/maps").Where(line => line.Contains(folder + "/", StringComparison.Ordinal)).Select(static line => Path.GetFileName(line)).Distinct().Order(StringComparer.Ordinal)];
}
