namespace MLNet.Gpt;

/// <summary>What a run keeps on disk: token files, metrics, the loss curve, and its checkpoints.</summary>
internal sealed class RunFolder
{
    private readonly GptTokenizer _tokenizer;
    private readonly int _keep;

    /// <summary>Names an existing folder.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="tokenizer">Goes into each checkpoint.</param>
    /// <param name="seed">The seed of the run.</param>
    /// <param name="fingerprint">What a resumed run must have in common with this one.</param>
    /// <param name="keepCheckpoints">How many checkpoints of last states stay, 1 or more.</param>
    public RunFolder(string path, GptTokenizer tokenizer, long seed, IReadOnlyDictionary<string, string> fingerprint, int keepCheckpoints = 1)
    {
        Path = System.IO.Path.GetFullPath(path);
        _tokenizer = tokenizer;
        _keep = keepCheckpoints;
        Seed = seed;
        Fingerprint = fingerprint;
        Metrics = new(Path);
    }

    /// <summary>The seed of the run.</summary>
    public long Seed { get; }

    /// <summary>What a resumed run must have in common with this one.</summary>
    public IReadOnlyDictionary<string, string> Fingerprint { get; }

    /// <summary>The folder's full path.</summary>
    public string Path { get; }

    /// <summary>metrics.jsonl and loss.svg.</summary>
    public MetricsLog Metrics { get; }

    /// <summary>Where TensorBoard's event files go.</summary>
    public string TensorBoardFolder => System.IO.Path.Combine(Path, "tensorboard");

    /// <summary>The checkpoint of the best evaluation.</summary>
    public string BestCheckpoint => RunCheckpoints.BestOf(Path);

    /// <summary>The checkpoint of the last state that this run wrote or began from, or null.</summary>
    public string? LastWritten { get; set; }

    /// <summary>Writes the weights, the tokenizer and all that resuming needs; older checkpoints that are not to be kept go once this one is safe.</summary>
    public void WriteLast(GptNetwork network, AdamW optimizer, WeightAverage? average, TrainingState state)
    {
        string path = RunCheckpoints.PathOf(Path, state.Step);
        GptCheckpoint.Write(path, average is null ? network : average, _tokenizer,
            addFiles: folder => TrainingCheckpoint.Write(folder, network, optimizer, average, state, Seed, Fingerprint));
        string? previous = LastWritten;
        LastWritten = path;
        RunCheckpoints.Prune(Path, previous, state.Step, _keep);
    }

    /// <summary>Writes the weights and the tokenizer.</summary>
    public void WriteBest(GptNetwork network, TrainingState state) =>
        GptCheckpoint.Write(BestCheckpoint, network, _tokenizer, addFiles: folder => BestRecord.Write(folder, new(state.BestStep, state.BestValidationLoss ?? double.NaN)));
}
