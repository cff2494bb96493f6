namespace MLNet.Gpt;

/// <summary>What a run keeps on disk: token files, metrics, the loss curve, and its checkpoints.</summary>
internal sealed class RunFolder
{
    private readonly int _keep;

    /// <summary>Names an existing folder.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="seed">The seed of the run.</param>
    /// <param name="fingerprint">What a resumed run must have in common with this one.</param>
    /// <param name="keepCheckpoints">How many checkpoints of last states stay, 1 or more.</param>
    public RunFolder(string path, long seed, Fingerprint fingerprint, int keepCheckpoints = 1)
    {
        Path = System.IO.Path.GetFullPath(path);
        _keep = keepCheckpoints;
        Seed = seed;
        Fingerprint = fingerprint;
    }

    /// <summary>The seed of the run.</summary>
    public long Seed { get; }

    /// <summary>What a resumed run must have in common with this one.</summary>
    public Fingerprint Fingerprint { get; }

    /// <summary>The folder's full path.</summary>
    public string Path { get; }

    /// <summary>The checkpoint of the best evaluation.</summary>
    public string BestCheckpoint => RunCheckpoints.BestOf(Path);

    /// <summary>The checkpoint of the last state that this run wrote or began from, or null.</summary>
    public string? LastWritten { get; set; }

    /// <summary>Writes what was trained and all that resuming needs; older checkpoints that are not to be kept go once this one is safe.</summary>
    /// <param name="model">What was trained; with averaging, it has the averages at the moment.</param>
    /// <param name="sets">With its optimizer.</param>
    /// <param name="average">The average, which has the weights at the moment; null for none.</param>
    /// <param name="state">The counters.</param>
    public void WriteLast(ITrainedModel model, TrainableSets sets, AveragedWeights? average, RunState state)
    {
        string path = RunCheckpoints.PathOf(Path, state.Step);
        model.Write(path, folder => TrainingCheckpoint.Write(folder, sets, average?.Values, state, Seed, Fingerprint));
        string? previous = LastWritten;
        LastWritten = path;
        RunCheckpoints.Prune(Path, previous, state.Step, _keep);
    }

    /// <summary>Writes what was trained, and of which evaluation.</summary>
    public void WriteBest(ITrainedModel model, RunState state) =>
        model.Write(BestCheckpoint, folder => BestRecord.Write(folder, new(state.BestStep, state.BestValidationLoss ?? double.NaN)));
}
