using System.Text;
using System.Text.RegularExpressions;

namespace MLNet.Gpt;

/// <summary>Reads from the system loader's message why a native library didn't load: none is there, the system is too old for it, or something else.</summary>
internal static partial class NativeLoadFailure
{
    private const string Absent = "cannot open shared object file: No such file";
    private const string NewerSystems = "Ubuntu 24.04, Debian 13, or later";

    /// <summary>What all of <see cref="NewerSystems"/> have.</summary>
    private static readonly string[] NewerVersions = ["GLIBCXX_3.4.33", "CXXABI_1.3.15", "GLIBC_2.39"];

    /// <summary>The exception that says what is wrong and what helps.</summary>
    /// <param name="library">The library, by the name users know.</param>
    /// <param name="packages">The remedy where no package with the native library is referenced.</param>
    /// <param name="loader">The exception of .NET's loader.</param>
    /// <param name="ownFiles">How the names of the files begin that the packages bring, such as "libtorch".</param>
    public static NativeLibraryException Explain(string library, string packages, Exception loader, params string[] ownFiles)
    {
        while (loader is TypeInitializationException { InnerException: { } cause }) loader = cause;
        if (loader is not DllNotFoundException) return Unusable(loader.Message);

        // The loader tries several names in several folders, and on Linux reports a line for each: "FILE: what is wrong".
        string message = loader.Message;
        if (VersionNotFound().Match(message) is { Success: true } old) return SystemTooOld(library, old, loader);
        (string File, string Text)[] lines = [.. LoaderLine().Matches(message).Select(static line => (line.Groups["file"].Value, line.Groups["text"].Value))];
        foreach ((string file, string text) in lines)
        {
            if (!text.StartsWith(Absent, StringComparison.Ordinal)) return Unusable($"{file}: {text}");
        }

        // A name without a folder is one that a file which was found needs, or the library's own.
        string[] needed = [.. lines.Select(static line => line.File).Where(static file => !file.Contains('/', StringComparison.Ordinal))];
        if (needed.FirstOrDefault(file => !IsOwn(file)) is { } foreign)
            return new NativeLibraryException(library, $"it needs {foreign}, which this system doesn't have", $"Install the system's package that holds {foreign}.", loader);
        string missing = needed.Concat(lines.Select(static line => Path.GetFileName(line.File)))
            .FirstOrDefault(static file => file.StartsWith("lib", StringComparison.Ordinal) && file.Contains(".so", StringComparison.Ordinal)) ?? "native library";
        return new NativeLibraryException(library, $"the app brings no {missing}", packages, loader) { IsMissing = true };

        bool IsOwn(string file) => ownFiles.Any(own => file.StartsWith(own, StringComparison.Ordinal));

        NativeLibraryException Unusable(string words) => new(library, words.AsSpan().Trim().TrimEnd('.').ToString(),
            $"It may be damaged, or of another version or for another processor than the managed part. {packages}", loader);
    }

    private static NativeLibraryException SystemTooOld(string library, Match line, Exception loader)
    {
        string file = line.Groups["file"].Value, needed = line.Groups["needed"].Value, kind = needed[..needed.IndexOf('_', StringComparison.Ordinal)];
        string? found = Newest(file, kind);
        bool known = NewerVersions.Any(version => version.StartsWith(kind + "_", StringComparison.Ordinal) && Number(version) >= Number(needed));
        return new NativeLibraryException(library,
            $"this system is too old for it: {file} {(found is null ? "" : $"ends at {found} and ")}lacks {needed}, which {Path.GetFileName(line.Groups["by"].Value)} needs",
            known ? $"Run on a system that has it: {NewerSystems}." : "Run on a newer release of the system.", loader)
        {
            VersionNeeded = needed,
            VersionFound = found,
        };
    }

    /// <summary>The newest version of a kind that a library file names; null where it can't be read.</summary>
    private static string? Newest(string file, string kind)
    {
        try
        {
            return Regex.Matches(Encoding.Latin1.GetString(File.ReadAllBytes(file)), kind + @"_\d+(\.\d+)+").Select(static match => match.Value).MaxBy(Number);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static Version Number(string version) => Version.Parse(version.AsSpan(version.IndexOf('_', StringComparison.Ordinal) + 1));

    [GeneratedRegex(@"^(?<file>.+): version [`'](?<needed>[A-Z]+_\d+(\.\d+)+)' not found \(required by (?<by>.+)\)", RegexOptions.Multiline)]
    private static partial Regex VersionNotFound();

    [GeneratedRegex(@"^(?<file>/.*?|[^\s/:]+): (?<text>.+)$", RegexOptions.Multiline)]
    private static partial Regex LoaderLine();
}
