using System.Diagnostics;
using MLNet.Gpt.Trainers.Tests.Losses;
using MLNet.Gpt.Trainers.Tests.Memory;
using MLNet.Gpt.Trainers.Tests.Runs;

namespace MLNet.Gpt.Trainers.Tests;

/// <summary>What a test does in a process of its own, to be measured or killed: the test assembly as a program.</summary>
internal static class ChildProcess
{
    /// <summary>The entry point; the test host doesn't use it.</summary>
    public static int Main(string[] arguments) => arguments switch
    {
        [ActivationMeasurement.Command, .. string[] rest] => ActivationMeasurement.Run(rest),
        [LogitsMeasurement.Command, string chunked] => LogitsMeasurement.Run(bool.Parse(chunked)),
        [KilledRun.Command, string kind, string folder] => KilledRun.Train(kind, folder),
        _ => 2,
    };

    /// <summary>Starts the program.</summary>
    public static Process Start(params string[] arguments)
    {
        string host = Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
        return Process.Start(new ProcessStartInfo(host, ["exec", typeof(ChildProcess).Assembly.Location, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
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
