namespace MLNet.Gpt;

/// <summary>Where an estimator's files go: into the run folder, or into a temporary folder that is deleted afterwards.</summary>
internal sealed class RunSpace : IDisposable
{
    private readonly string _folder;
    private readonly bool _temporary;
    private readonly WriteLock? _lock;

    private RunSpace(string folder, bool temporary, WriteLock? held)
    {
        _folder = folder;
        _temporary = temporary;
        _lock = held;
    }

    /// <summary>The training corpus.</summary>
    public string CorpusFolder => Path.Combine(_folder, "corpus");

    /// <summary>The validation corpus that Fit was given.</summary>
    public string ValidationFolder => Path.Combine(_folder, "validation-corpus");

    /// <summary>Creates the folder, or makes sure that it is this run's.</summary>
    /// <exception cref="RunExistsException">The folder holds a run, and resuming is off.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="ConcurrentWriteException">Another run is under way in the folder.</exception>
    public static RunSpace Prepare(string? runFolder, bool resume)
    {
        if (runFolder is null) return new(Directory.CreateTempSubdirectory("mlnet-gpt-").FullName, temporary: true, held: null);
        string folder = Path.GetFullPath(runFolder);
        if (!resume && Directory.Exists(Path.Combine(folder, "checkpoints")))
            throw new RunExistsException(folder);
        try
        {
            Directory.CreateDirectory(folder);
            WriteLock held = WriteLock.Take(Path.Combine(folder, "run"));   // a file: it shows that the folder can be written, too
            try
            {
                if (!resume) File.Delete(Path.Combine(folder, "metrics.jsonl"));
                return new(folder, temporary: false, held);
            }
            catch
            {
                held.Dispose();
                throw;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FolderNotWritableException(folder, e);
        }
    }

    public void Dispose()
    {
        _lock?.Dispose();
        if (_temporary) Directory.Delete(_folder, recursive: true);
    }
}
