namespace MLNet.Gpt;

/// <summary>How a training run is carried out, whatever it trains: where it computes, what it keeps on the disk, what it reports, and when it gives up.</summary>
/// <remarks>Immutable. Checked with the options that it is a part of.</remarks>
public sealed record RunOptions
{
    /// <summary>
    /// Where <c>metrics.jsonl</c>, <c>loss.svg</c> and the checkpoints go (<see cref="RunCheckpoints"/> finds them), with what a trainer keeps besides; it is this
    /// run's alone until Fit is over. Null (the default) keeps nothing.
    /// </summary>
    public string? Folder { get; init; }

    /// <summary>
    /// Continues the run in <see cref="Folder"/> from its last checkpoint, to the same losses as if it had never stopped (bit for bit
    /// on a CPU with the same thread count); a run that ended before its first checkpoint begins anew. False (the default) refuses a folder
    /// that holds a run.
    /// </summary>
    public bool Resume { get; init; }

    /// <summary>Updates between checkpoints of the last state in <see cref="Folder"/>; 0 writes one at the end only. Default 250.</summary>
    public int CheckpointInterval { get; init; } = 250;

    /// <summary>How many checkpoints of last states stay, 1 (the default) or more; the best evaluation's stays besides. The disk holds one more while a new one is written.</summary>
    public int KeepCheckpoints { get; init; } = 1;

    /// <summary>Whether event files for TensorBoard go into <c>tensorboard</c> in <see cref="Folder"/>. Default false.</summary>
    public bool TensorBoard { get; init; }

    /// <summary>Updates between reports, 1 or more. Default 10.</summary>
    public int LogInterval { get; init; } = 10;

    /// <summary>Called with every report, on the training thread; null (the default) for none. Reports go to MLContext's log in any case.</summary>
    public Action<TrainingProgress>? Progress { get; init; }

    /// <summary>
    /// The device's floating-point operations per second that <see cref="TrainingProgress.ModelFlopsUtilization"/> compares with; null (the default)
    /// measures those of large matrix products once a process, and once more where a run exceeds them; 0 switches it off.
    /// </summary>
    public double? PeakFlops { get; init; }

    /// <summary>Whether reports tell where the time of an update goes. Default false: on a GPU it waits for the device several times an update.</summary>
    public bool MeasureStepTimes { get; init; }

    /// <summary>
    /// The standard deviations above the mean of the last 100 updates from which a loss is logged as a spike, with what its batch came from;
    /// 0 switches the warning off. Default 6. Nothing is skipped.
    /// </summary>
    public double LossSpikeDeviations { get; init; } = 6;

    /// <summary>
    /// Updates in a row that are skipped because the loss or the gradient is not finite, before the run stops with a
    /// <see cref="TrainingDivergedException"/>; 0 stops at the first. On a GPU skipped updates are counted when the next report, evaluation or checkpoint
    /// is due, which is when the run stops too; no update is made of them in between. Default 10.
    /// </summary>
    public int MaxSkippedUpdates { get; init; } = 10;

    /// <summary>
    /// The decay of an exponential moving average of what is trained, in [0, 1), e.g. 0.999. Evaluations, checkpoints and the returned model then have
    /// the averages. 0 (the default) switches averaging off.
    /// </summary>
    public double AverageDecay { get; init; }

    /// <summary>Where to train; null (the default) follows <c>MLContext.GpuDeviceId</c> and <c>FallbackToCpu</c>, and without them takes a CUDA GPU where there is one.</summary>
    public GptDevice? Device { get; init; }

    /// <summary>The number format of the forward and backward passes; that of frozen weights too. Default <see cref="GptPrecision.Auto"/>. The trained model computes in float32.</summary>
    public GptPrecision Precision { get; init; } = GptPrecision.Auto;

    /// <summary>
    /// True lets a CUDA GPU round the operands of float32 matrix products to TF32 (10 bits of mantissa) on its tensor cores, several times as fast;
    /// GPUs before Ampere have none and compute in float32 all the same. False (the default) keeps all 23 bits. Read on a GPU only: on a CPU
    /// true is refused with a <see cref="DeviceUnavailableException"/>. Bfloat16 products are not touched.
    /// </summary>
    public bool AllowTf32 { get; init; }

    /// <summary>
    /// True keeps each block's input only and computes the block again in the backward pass (Chen et al. 2016, section 4): about a third more
    /// arithmetic for activations of one block instead of all. The losses are the same, bit for bit on a CPU. False
    /// (the default) keeps everything.
    /// </summary>
    public bool ActivationCheckpointing { get; init; }

    /// <summary>
    /// The dropout inside the network, averaged out after training. Null (the default) means the trainer's own: none in pretraining, for a reward model, in direct preference and in policy optimisation, 0.1 everywhere in the supervised tasks
    /// (Radford et al. 2018, section 4.1) unless the weights are frozen, 0.2 before each residual sum in supervised fine-tuning (Ouyang et al. 2022, appendix C.1). A model's <c>config.json</c> says what it was trained with;
    /// it is not read here.
    /// </summary>
    public DropoutOptions? Dropout { get; init; }

    /// <summary>Seeds new weights, the order of the data and dropout. Null (the default) means the MLContext's seed, or a random one without that; a resumed run has its own.</summary>
    public int? Seed { get; init; }

    /// <summary>
    /// Ends the run after the update under way; Fit then returns the model as far as it got, and the last checkpoint is written. Before training has begun, while the
    /// data are read, there is no model yet: Fit throws an <see cref="OperationCanceledException"/>.
    /// </summary>
    public CancellationToken CancellationToken { get; init; }

    /// <summary>For tests: whether each update is known before the next, as on a CPU, or read where something depends on it, as on a GPU; null goes by the device.</summary>
    internal bool? ImmediateUpdates { get; init; }

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">A value is outside its range, or two do not fit together.</exception>
    public RunOptions Validate()
    {
        OptionCheck.AtLeast(0, CheckpointInterval, nameof(CheckpointInterval));
        OptionCheck.AtLeast(1, KeepCheckpoints, nameof(KeepCheckpoints));
        OptionCheck.AtLeast(1, LogInterval, nameof(LogInterval));
        OptionCheck.AtLeast(0, MaxSkippedUpdates, nameof(MaxSkippedUpdates));
        OptionCheck.Require(PeakFlops is not { } peak || (peak >= 0 && double.IsFinite(peak)), PeakFlops, nameof(PeakFlops), "0 or more and finite, or null to measure it");
        OptionCheck.Require(LossSpikeDeviations >= 0 && double.IsFinite(LossSpikeDeviations), LossSpikeDeviations, nameof(LossSpikeDeviations), "0 or more and finite (0 switches the warning off)");
        OptionCheck.Require(AverageDecay is >= 0 and < 1, AverageDecay, nameof(AverageDecay), "at least 0 and below 1 (0 switches averaging off)");
        OptionCheck.Defined(Precision, nameof(Precision));
        Dropout?.Validate();
        if (Folder is null && Resume) throw new ArgumentException("Resume needs the Folder of the run to continue.", nameof(Folder));
        if (Folder is null && TensorBoard) throw new ArgumentException("TensorBoard's event files go into the run's Folder; set one.", nameof(Folder));
        return this;
    }
}
