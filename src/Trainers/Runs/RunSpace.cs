using Microsoft.ML.Runtime;

namespace MLNet.Gpt;

/// <summary>Where an estimator's files go: into the run folder, which is this run's alone until Fit is over, or into a temporary folder that is deleted then.</summary>
internal sealed class RunSpace : IDisposable
{
    private readonly string _folder;
    private readonly bool _temporary;
    private readonly IDisposable _held; // the run folder's lock, or the temporary folder
    private readonly int _keepCheckpoints;

    private RunSpace(string folder, bool temporary, IDisposable held, int keepCheckpoints)
    {
        _keepCheckpoints = keepCheckpoints;
        _folder = folder;
        _temporary = temporary;
        _held = held;
    }

    /// <summary>The run folder's full path; null without one.</summary>
    public string? RunFolder => _temporary ? null : _folder;

    /// <summary>The training corpus.</summary>
    public string CorpusFolder => Path.Combine(_folder, "corpus");

    /// <summary>The validation corpus that Fit was given.</summary>
    public string ValidationFolder => Path.Combine(_folder, "validation-corpus");

    /// <summary>The state to continue from; null where the run begins afresh.</summary>
    public TrainingCheckpoint? Resumed { get; private init; }

    /// <summary>Creates the folder, or makes sure that it is this run's, and finds the checkpoint to continue from.</summary>
    /// <param name="run">Names the folder, or none, and whether a run in it is continued. One that ended before its first checkpoint begins anew.</param>
    /// <param name="log">Is told of checkpoints that can't be used.</param>
    /// <param name="environment">Says where temporary folders are.</param>
    /// <exception cref="RunExistsException">The folder holds a run, and resuming is off.</exception>
    /// <exception cref="DiskFullException">There is no room for it.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="ConcurrentWriteException">Another run is under way in the folder.</exception>
    /// <exception cref="CorruptFileException">There are checkpoints to continue from, and none of them is whole.</exception>
    public static RunSpace Prepare(RunOptions run, Action<string> log, IHostEnvironment environment)
    {
        if (run.Folder is null)
        {
            var temporary = new PrivateFolder(ModelFile.TemporaryPath(environment));
            return new(temporary.Path, temporary: true, temporary, keepCheckpoints: 0);
        }

        string folder = Path.GetFullPath(run.Folder);
        try
        {
            Directory.CreateDirectory(folder);
            WriteLock held = WriteLock.Take(Path.Combine(folder, "run"), known: folder);   // a file in the folder: it shows that the folder can be written, too
            try
            {
                // Only once the lock is held: what another run is writing is no run to continue or delete.
                if (!run.Resume && Directory.Exists(RunCheckpoints.FolderOf(folder))) throw new RunExistsException(folder);
                string? last = run.Resume ? RunCheckpoints.FindLast(folder, log) : null;
                if (run.Resume && last is null) log($"The run in '{folder}' has no checkpoint to continue from; it begins anew.");
                return new(folder, temporary: false, held, run.KeepCheckpoints) { Resumed = last is null ? null : TrainingCheckpoint.Open(last) };
            }
            catch
            {
                held.Dispose();
                throw;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw IOErrors.OnWriting(e, folder, folder);
        }
    }

    /// <summary>The folder's part in a run; null without one.</summary>
    /// <param name="seed">The seed of the run.</param>
    /// <param name="fingerprint">What a resumed run must have in common with this one.</param>
    /// <exception cref="ResumeMismatchException">The run to resume had something else.</exception>
    public RunFolder? FolderOf(long seed, Fingerprint fingerprint)
    {
        if (RunFolder is null) return null;
        Resumed?.RequireSame(fingerprint);
        return new(RunFolder, seed, fingerprint, _keepCheckpoints) { LastWritten = Resumed?.Checkpoint };
    }

    public void Dispose() => _held.Dispose();
}
