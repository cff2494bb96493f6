using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace MLNet.Gpt.Benchmarks;

/// <summary>Runs one of the scripts of benchmarks/peers and reads the JSON line that it ends with.</summary>
internal static class Peer
{
    public static JsonElement Run(string script, params (string Name, object? Value)[] arguments)
    {
        string python = Environment.GetEnvironmentVariable("MLNET_GPT_PEER_PYTHON") ?? "python3";
        var start = new ProcessStartInfo(python) { RedirectStandardOutput = true, UseShellExecute = false };
        // The folders that the peer's own file system must show it (benchmarks/peers/setup.sh).
        IEnumerable<string> folders = arguments.Select(static a => a.Value).OfType<string>().Where(File.Exists).Select(static file => Path.GetDirectoryName(Path.GetFullPath(file))!);
        start.Environment["MLNET_GPT_PEER_FOLDERS"] = string.Join(':', folders.Append(Path.Combine(Repository.Root, "benchmarks", "peers")).Distinct());
        start.ArgumentList.Add(Path.Combine(Repository.Root, "benchmarks", "peers", script));
        foreach ((string name, object? value) in arguments)
        {
            start.ArgumentList.Add(name);
            if (value is not null) start.ArgumentList.Add(Convert.ToString(value, CultureInfo.InvariantCulture)!);
        }

        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"The peer '{script}' ended with exit code {process.ExitCode}.");
        return JsonDocument.Parse(output.TrimEnd().Split('\n')[^1]).RootElement;
    }
}
