using System.Diagnostics;

namespace MLNet.Gpt.Benchmarks;

/// <summary>Starts this program again, for what needs a process of its own.</summary>
internal static class ThisProgram
{
    /// <summary>How to start it, whether it runs by its own file or by <c>dotnet</c>.</summary>
    /// <param name="arguments">The new process's.</param>
    public static ProcessStartInfo Again(params IEnumerable<string> arguments)
    {
        string program = Environment.ProcessPath!;
        string[] before = Path.GetFileNameWithoutExtension(program) == "dotnet" ? ["exec", typeof(ThisProgram).Assembly.Location] : [];
        return new ProcessStartInfo(program, [.. before, .. arguments]) { UseShellExecute = false };
    }

    /// <summary>The last line that it writes.</summary>
    /// <param name="arguments">The new process's.</param>
    /// <exception cref="InvalidOperationException">It ended with another exit code than 0.</exception>
    public static string LastLine(params IEnumerable<string> arguments)
    {
        ProcessStartInfo start = Again(arguments);
        start.RedirectStandardOutput = true;
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"The process '{string.Join(' ', arguments)}' ended with exit code {process.ExitCode}.");
        return output.TrimEnd().Split('\n')[^1];
    }
}
