namespace MLNet.Gpt;

/// <summary>How many threads are worth starting.</summary>
internal static class ProcessorCores
{
    private const string Topology = "/sys/devices/system/cpu";

    /// <summary>
    /// The physical cores, but no more than the processors that this process may use (a container's quota counts, which ONNX Runtime itself does not see). 0, ONNX Runtime's own
    /// choice, where the system does not tell.
    /// </summary>
    public static int Usable { get; } = Count(Topology, Environment.ProcessorCount);

    internal static int Count(string topology, int processors)
    {
        if (!Directory.Exists(topology)) return 0;
        var cores = new HashSet<string>(StringComparer.Ordinal);
        foreach (string folder in Directory.EnumerateDirectories(topology, "cpu*"))
        {
            // The siblings of a core name the same list.
            string siblings = Path.Combine(folder, "topology", "thread_siblings_list");
            if (File.Exists(siblings)) cores.Add(File.ReadAllText(siblings).Trim());
        }

        return Math.Min(cores.Count, processors);
    }
}
