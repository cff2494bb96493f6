using System.Diagnostics;

namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>Runs a .NET program in a process of its own.</summary>
internal static class AppProcess
{
    private static readonly string Dotnet = Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet";

    /// <summary>Runs <c>dotnet arguments…</c> in a folder.</summary>
    /// <returns>The exit code, and what it wrote to its output and then to its errors.</returns>
    public static (int Code, string Output) Run(string workingDirectory, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(Dotnet) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = workingDirectory };
        // MSBuild's settings of the build that runs these tests are not those of another build.
        foreach (string name in start.Environment.Keys.Where(static name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToArray()) start.Environment.Remove(name);
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }
}
