namespace MLNet.Gpt.Benchmarks;

/// <summary>Where the benchmark finds the repository and the texts that it does not carry.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>A file of the folder that MLNET_GPT_TESTDATA names.</summary>
    public static string TestData(string file)
    {
        string folder = Environment.GetEnvironmentVariable("MLNET_GPT_TESTDATA")
            ?? throw new InvalidOperationException($"Set MLNET_GPT_TESTDATA to the folder that holds {file}.");
        string path = Path.Combine(Path.GetFullPath(folder), file);
        return File.Exists(path) ? path : throw new FileNotFoundException($"MLNET_GPT_TESTDATA is '{folder}', which does not hold {file}.", path);
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "MLNet.Gpt.sln"))) return folder.FullName;
        }

        return Directory.GetCurrentDirectory();
    }
}
