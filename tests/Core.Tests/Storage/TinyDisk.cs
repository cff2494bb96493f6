using System.Diagnostics;

namespace MLNet.Gpt.Core.Tests.Storage;

/// <summary>A file system in memory with little room, for what happens when a disk is full. Needs Linux and the right to mount.</summary>
internal sealed class TinyDisk : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public TinyDisk(int kilobytes)
    {
        string? problem = !OperatingSystem.IsLinux() ? "this is not Linux" : !Environment.IsPrivilegedProcess ? "only root may mount" : Run("mount", "-t", "tmpfs", "-o", $"size={kilobytes}k", "tmpfs", Path);
        if (problem is null) return;
        _folder.Dispose();
        Assert.Inconclusive($"A full disk needs a small file system to be mounted: {problem}.");
    }

    public string Path => _folder.Path;

    public string this[string name] => _folder[name];

    public void Dispose()
    {
        string? problem = Run("umount", Path);
        if (problem is not null) throw new InvalidOperationException(problem);
        _folder.Dispose();
    }

    private static string? Run(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
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
