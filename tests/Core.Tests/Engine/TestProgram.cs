using System.Diagnostics;
using System.Reflection;

namespace MLNet.Gpt.Core.Tests.Engine;

/// <summary>A test assembly as a program: what a test does in a process of its own, to be measured, killed, or to crash without taking the other tests along.</summary>
internal static class TestProgram
{
    /// <summary>Starts the program.</summary>
    public static Process Start(params string[] arguments)
    {
        string host = Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
        return Process.Start(new ProcessStartInfo(host, ["exec", Assembly.GetExecutingAssembly().Location, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
    }

    /// <summary>Runs the program to its end, which must be a good one.</summary>
    /// <returns>What it wrote.</returns>
    public static string Run(params string[] arguments)
    {
        using Process process = Start(arguments);
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.AreEqual(0, process.ExitCode, output + errors.Result);
        return output;
    }
}
