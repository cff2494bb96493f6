using System.Globalization;

namespace MLNet.Gpt;

/// <summary>How much memory this process may still take, and how much it has taken.</summary>
internal static class AvailableMemory
{
    /// <summary>
    /// Bytes that can be had without swapping: what the kernel calls available (/proc/meminfo), and no more than what the container's limit
    /// leaves (which .NET knows); elsewhere the limit that .NET knows, less what is in use.
    /// </summary>
    public static long Bytes()
    {
        GCMemoryInfo info = GC.GetGCMemoryInfo();
        long withinLimit = Math.Max(0, info.TotalAvailableMemoryBytes - Environment.WorkingSet);
        long? available = ReadKilobytes("/proc/meminfo", "MemAvailable:") * 1024;
        return Math.Min(available ?? (info.TotalAvailableMemoryBytes - info.MemoryLoadBytes), withinLimit);
    }

    /// <summary>The most memory that this process has had in use.</summary>
    public static long PeakBytes()
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }

    /// <summary>Begins a new measurement of <see cref="PeakBytes"/>; false where the system has none.</summary>
    public static bool TryResetPeak()
    {
        try
        {
            File.WriteAllText("/proc/self/clear_refs", "5");
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;   // another system, or one that forbids it
        }
    }

    private static long? ReadKilobytes(string path, string name)
    {
        if (!File.Exists(path)) return null;
        foreach (string line in File.ReadLines(path))
        {
            if (line.StartsWith(name, StringComparison.Ordinal))
                return long.Parse(line.AsSpan(name.Length).Trim().TrimEnd("kB").Trim(), NumberStyles.None, CultureInfo.InvariantCulture);
        }

        return null;
    }
}
