using System.Diagnostics;

namespace MLNet.Gpt.Trainers.Tests;

/// <summary>A file system in memory with little room, mounted over a folder. Needs Linux and the right to mount.</summary>
internal sealed class SmallDisk : IDisposable
{
    private readonly string _path;

    public SmallDisk(string path, long bytes)
    {
        _path = path;
        string? problem = !OperatingSystem.IsLinux() ? "this is not Linux" : !Environment.IsPrivilegedProcess ? "only root may mount" : Run("mount", "-t", "tmpfs", "-o", $"size={bytes / 1024}k", "tmpfs", path);
        if (problem is not null) Assert.Inconclusive($"A full disk needs a small file system to be mounted: {problem}.");
    }

    public void Dispose()
    {
        if (Run("umount", _path) is { } problem) throw new InvalidOperationException(problem);
    }

    private static string? Run(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            string error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? null : error.Trim();
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            return exception.Message;
        }
    }
}
