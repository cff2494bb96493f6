namespace MLNet.Gpt;

/// <summary>What a run keeps on disk: token files, metrics, the loss curve, and the checkpoints <c>last</c> and <c>best</c>.</summary>
internal sealed class RunFolder
{
    private readonly GptTokenizer _tokenizer;

    /// <summary>Names an existing folder.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="tokenizer">Goes into each checkpoint.</param>
    /// <param name="seed">The seed of the run.</param>
    /// <param name="fingerprint">What a resumed run must have in common with this one.</param>
    public RunFolder(string path, GptTokenizer tokenizer, long seed, IReadOnlyDictionary<string, string> fingerprint)
    {
        Path = System.IO.Path.GetFullPath(path);
        _tokenizer = tokenizer;
        Seed = seed;
        Fingerprint = fingerprint;
        Metrics = new(Path);
        if (Directory.Exists(LastCheckpoint)) LastWritten = LastCheckpoint;
    }

    /// <summary>The seed of the run.</summary>
    public long Seed { get; }

    /// <summary>What a resumed run must have in common with this one.</summary>
    public IReadOnlyDictionary<string, string> Fingerprint { get; }

    /// <summary>The folder's full path.</summary>
    public string Path { get; }

    /// <summary>metrics.jsonl and loss.svg.</summary>
    public MetricsLog Metrics { get; }

    /// <summary>The checkpoint of the last state, training state included.</summary>
    public string LastCheckpoint => LastCheckpointOf(Path);

    /// <summary>The checkpoint of the best evaluation.</summary>
    public string BestCheckpoint => System.IO.Path.Combine(Path, "checkpoints", "best");

    /// <summary>The checkpoint of the last state that this run wrote or began from, or null.</summary>
    public string? LastWritten { get; private set; }

    /// <summary>Where a run's last checkpoint lies.</summary>
    public static string LastCheckpointOf(string runFolder) => System.IO.Path.Combine(runFolder, "checkpoints", "last");

    /// <summary>Writes the weights, the tokenizer and all that resuming needs.</summary>
    public void WriteLast(GptNetwork network, AdamW optimizer, TrainingState state)
    {
        GptCheckpoint.Write(LastCheckpoint, network, _tokenizer, addFiles: folder => TrainingCheckpoint.Write(folder, network, optimizer, state, Seed, Fingerprint));
        LastWritten = LastCheckpoint;
    }

    /// <summary>Writes the weights and the tokenizer.</summary>
    public void WriteBest(GptNetwork network) => GptCheckpoint.Write(BestCheckpoint, network, _tokenizer);
}
