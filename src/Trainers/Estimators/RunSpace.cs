namespace MLNet.Gpt;

/// <summary>Where an estimator's files go: into the run folder, or into a temporary folder that is deleted afterwards.</summary>
internal sealed class RunSpace : IDisposable
{
    private readonly string _folder;
    private readonly bool _temporary;

    private RunSpace(string folder, bool temporary)
    {
        _folder = folder;
        _temporary = temporary;
    }

    /// <summary>The training corpus.</summary>
    public string CorpusFolder => Path.Combine(_folder, "corpus");

    /// <summary>The validation corpus that Fit was given.</summary>
    public string ValidationFolder => Path.Combine(_folder, "validation-corpus");

    /// <summary>Creates the folder, or makes sure that it is this run's.</summary>
    /// <exception cref="RunExistsException">The folder holds a run, and resuming is off.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    public static RunSpace Prepare(string? runFolder, bool resume)
    {
        if (runFolder is null) return new(Directory.CreateTempSubdirectory("mlnet-gpt-").FullName, temporary: true);
        string folder = Path.GetFullPath(runFolder);
        if (!resume && Directory.Exists(Path.Combine(folder, "checkpoints")))
            throw new RunExistsException(folder);
        try
        {
            Directory.CreateDirectory(folder);
            string probe = Path.Combine(folder, $".{Guid.NewGuid():N}");
            File.WriteAllBytes(probe, []);
            File.Delete(probe);
            if (!resume) File.Delete(Path.Combine(folder, "metrics.jsonl"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FolderNotWritableException(folder, e);
        }

        return new(folder, temporary: false);
    }

    public void Dispose()
    {
        if (_temporary) Directory.Delete(_folder, recursive: true);
    }
}
