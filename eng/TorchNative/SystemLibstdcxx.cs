using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace MLNet.Gpt.TorchNative;

/// <summary>The C++ runtime that a process of this system gets.</summary>
public static partial class SystemLibstdcxx
{
    /// <summary>The version names that it provides, such as GLIBCXX_3.4.30.</summary>
    /// <exception cref="DllNotFoundException">There is no libstdc++.so.6.</exception>
    /// <exception cref="FileNotFoundException">It is loaded, and /proc/self/maps doesn't tell from where.</exception>
    public static IReadOnlySet<string> Versions()
    {
        _ = NativeLibrary.Load("libstdc++.so.6");
        string path = File.ReadLines("/proc/self/maps").Where(line => line.Contains("/libstdc++.so", StringComparison.Ordinal))
            .Select(line => line[line.IndexOf('/', StringComparison.Ordinal)..]).FirstOrDefault()
            ?? throw new FileNotFoundException("libstdc++.so.6 was loaded, but /proc/self/maps doesn't name it.");
        string text = Encoding.Latin1.GetString(File.ReadAllBytes(path));
        return VersionName().Matches(text).Select(match => match.Value).ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>The newest of <paramref name="versions"/> by its number.</summary>
    public static string Newest(IReadOnlySet<string> versions) =>
        versions.OrderBy(name => Version.Parse(name[(name.IndexOf('_', StringComparison.Ordinal) + 1)..]), Comparer<Version>.Default).LastOrDefault()
        ?? string.Create(CultureInfo.InvariantCulture, $"no version at all");

    [GeneratedRegex(@"GLIBCXX_\d+(\.\d+)+")]
    private static partial Regex VersionName();
}
