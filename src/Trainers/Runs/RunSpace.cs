using Microsoft.ML.Runtime;

namespace MLNet.Gpt;

/// <summary>Where an estimator's files go: into the run folder, or into a temporary folder that is deleted afterwards.</summary>
internal sealed class RunSpace : IDisposable
{
    private readonly string _folder;
    private readonly IDisposable _held; // the run folder's lock, or the temporary folder

    private RunSpace(string folder, IDisposable held) => (_folder, _held) = (folder, held);

    /// <summary>The training corpus.</summary>
    public string CorpusFolder => Path.Combine(_folder, "corpus");

    /// <summary>The validation corpus that Fit was given.</summary>
    public string ValidationFolder => Path.Combine(_folder, "validation-corpus");

    /// <summary>Creates the folder, or makes sure that it is this run's.</summary>
    /// <param name="runFolder">The folder; null for a temporary one.</param>
    /// <param name="resume">Whether a run in it goes on.</param>
    /// <param name="environment">Says where temporary folders are; null for the system's place.</param>
    /// <exception cref="RunExistsException">The folder holds a run, and resuming is off.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="ConcurrentWriteException">Another run is under way in the folder.</exception>
    public static RunSpace Prepare(string? runFolder, bool resume, IHostEnvironment? environment = null)
    {
        if (runFolder is null)
        {
            var temporary = new PrivateFolder(ModelFile.TemporaryPath(environment));
            return new(temporary.Path, temporary);
        }

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
                return new(folder, held);
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

    public void Dispose() => _held.Dispose();
}
