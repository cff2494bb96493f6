namespace MLNet.Gpt;

/// <summary>How <see cref="LanguageModelTrainer"/> pretrains a GPT.</summary>
/// <remarks>Immutable. Checked once, when the trainer is created.</remarks>
public sealed record LanguageModelOptions
{
    /// <summary>
    /// The shape of the model. Default <see cref="GptConfig.Gpt2Small"/>. Without a <see cref="Tokenizer"/> its vocabulary size is the
    /// size to train one to; a corpus too small for that many tokens gives a smaller vocabulary, which the log states.
    /// </summary>
    public GptConfig Model { get; init; } = GptConfig.Gpt2Small;

    /// <summary>The tokenizer; null (the default) trains a byte-level BPE on the training texts.</summary>
    public GptTokenizer? Tokenizer { get; init; }

    /// <summary>Updates of the run, 1 or more. Default 2,000.</summary>
    public int MaxSteps { get; init; } = 2_000;

    /// <summary>Rows of T + 1 tokens in one update, 1 or more. Default 8.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>
    /// Rows computed at once: a number that divides <see cref="BatchSize"/>, <see cref="MicroBatchSize.WholeBatch"/> (the default) or
    /// <see cref="MicroBatchSize.Auto"/>, the largest that fits the memory. Gradients are accumulated over the rest.
    /// </summary>
    public MicroBatchSize MicroBatchSize { get; init; }

    /// <summary>
    /// Stages with rows shorter than the context that come first, in order; what they leave of <see cref="MaxSteps"/> is trained with
    /// <see cref="BatchSize"/> rows of the full context. Empty (the default) for none. The learning rate follows the steps of the whole run,
    /// and evaluations always take rows of the full context.
    /// </summary>
    public IReadOnlyList<TrainingStage> Stages { get; init; } = [];

    /// <summary>
    /// The decay of an exponential moving average of the weights, in [0, 1), e.g. 0.999. Evaluations, checkpoints and the returned model then have
    /// the averages. 0 (the default) switches averaging off.
    /// </summary>
    public double AverageDecay { get; init; }

    /// <summary>Optimizer, schedule and clipping.</summary>
    public AdamWOptions Optimizer { get; init; } = new();

    /// <summary>
    /// The factor on the initial deviation of the projections into the residual stream, 0 or more. Null (the default) means 1/√(2L) for a pre-norm
    /// model (Radford et al. 2019, section 2.3) and 1 for a post-norm one. 1, which the code released with GPT-2 has, trains a model of few
    /// layers faster; a deep one needs the smaller factor.
    /// </summary>
    public double? ResidualInitializerScale { get; init; }

    /// <summary>The number format of the forward and backward passes.</summary>
    public GptPrecision Precision { get; init; } = GptPrecision.Auto;

    /// <summary>
    /// True keeps each block's input only and computes the block again in the backward pass (Chen et al. 2016, section 4): about a third more
    /// arithmetic for activations of one block instead of all. The losses are the same, bit for bit on a CPU where there is no dropout. False
    /// (the default) keeps everything.
    /// </summary>
    public bool ActivationCheckpointing { get; init; }

    /// <summary>
    /// True lets a CUDA GPU round the operands of float32 matrix products to TF32 (10 bits of mantissa) on its tensor cores, several times as fast;
    /// GPUs before Ampere have none and compute in float32 all the same. False (the default) keeps all 23 bits. Read on a GPU only: on a CPU
    /// true is refused with a <see cref="DeviceUnavailableException"/>. Bfloat16 products are not touched.
    /// </summary>
    public bool AllowTf32 { get; init; }

    /// <summary>The share of the documents held out for validation, in [0, 1). 0 switches validation off. Default 0.1. Not read when a validation set is given to Fit.</summary>
    public double ValidationFraction { get; init; } = 0.1;

    /// <summary>
    /// False (the default) holds out whole documents, duplicates removed before; true takes the last part of the token stream, which is
    /// what a corpus that is one long document needs.
    /// </summary>
    public bool SplitByPosition { get; init; }

    /// <summary>Updates between evaluations, which also come before the first and after the last; 0 switches evaluation off. Default 250.</summary>
    public int EvaluationInterval { get; init; } = 250;

    /// <summary>The most rows of the validation set that an evaluation reads, always the same ones; null (the default) means all.</summary>
    public int? EvaluationRows { get; init; }

    /// <summary>Updates between reports. Default 10.</summary>
    public int LogInterval { get; init; } = 10;

    /// <summary>Updates between checkpoints of the last state in <see cref="RunFolder"/>; 0 writes one at the end only. Default 250.</summary>
    public int CheckpointInterval { get; init; } = 250;

    /// <summary>How many checkpoints of last states stay, 1 (the default) or more; the best evaluation's stays besides. The disk holds one more while a new one is written.</summary>
    public int KeepCheckpoints { get; init; } = 1;

    /// <summary>
    /// Where token files, <c>metrics.jsonl</c>, <c>loss.svg</c> and the checkpoints go (<see cref="RunCheckpoints"/> finds them); null (the
    /// default) writes nothing but temporary token files.
    /// </summary>
    public string? RunFolder { get; init; }

    /// <summary>Whether event files for TensorBoard go into <c>tensorboard</c> in <see cref="RunFolder"/>. Default false.</summary>
    public bool TensorBoard { get; init; }

    /// <summary>
    /// Updates in a row that are skipped because the loss or the gradient is not finite, before the run stops with a
    /// <see cref="TrainingDivergedException"/>; 0 stops at the first. On a GPU skipped updates are counted when the next report, evaluation or checkpoint
    /// is due, which is when the run stops too; no update is made of them in between. Default 10.
    /// </summary>
    public int MaxSkippedUpdates { get; init; } = 10;

    /// <summary>
    /// The standard deviations above the mean of the last 100 updates from which a loss is logged as a spike, with the documents of its batch;
    /// 0 switches the warning off. Default 6. Nothing is skipped.
    /// </summary>
    public double LossSpikeDeviations { get; init; } = 6;

    /// <summary>
    /// The device's floating-point operations per second that <see cref="TrainingProgress.ModelFlopsUtilization"/> compares with; null (the default)
    /// measures those of a matrix product once a process, 0 switches it off.
    /// </summary>
    public double? PeakFlops { get; init; }

    /// <summary>Whether reports tell where the time of an update goes. Default false: on a GPU it waits for the device several times an update.</summary>
    public bool MeasureStepTimes { get; init; }

    /// <summary>
    /// True (the default) returns the weights of the best evaluation, false those of the last step. The same where there is no
    /// evaluation.
    /// </summary>
    public bool ReturnBest { get; init; } = true;

    /// <summary>
    /// Continues the run in <see cref="RunFolder"/> from its last checkpoint, to the same losses as if it had never stopped (bit for bit
    /// on a CPU with the same thread count); a run that ended before its first checkpoint begins anew. False (the default) refuses a folder
    /// that holds a run.
    /// </summary>
    public bool Resume { get; init; }

    /// <summary>Seeds initial weights, order of the data and dropout. Null (the default) means the MLContext's seed, or 0 without one.</summary>
    public int? Seed { get; init; }

    /// <summary>Where to train; null (the default) follows <c>MLContext.GpuDeviceId</c> and <c>FallbackToCpu</c>, and without them takes a CUDA GPU where there is one.</summary>
    public GptDevice? Device { get; init; }

    /// <summary>Called with every report, on the training thread; null (the default) for none. Reports go to MLContext's log in any case.</summary>
    public Action<TrainingProgress>? Progress { get; init; }

    /// <summary>Ends the run after the update under way; Fit then returns the model as far as it got, and the last checkpoint is written.</summary>
    public CancellationToken CancellationToken { get; init; }

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">A value is outside its range, or two do not fit together.</exception>
    public LanguageModelOptions Validate()
    {
        ArgumentNullException.ThrowIfNull(Model);
        ArgumentNullException.ThrowIfNull(Optimizer);
        Model.Validate();
        Optimizer.Validate();
        AtLeast(1, MaxSteps, nameof(MaxSteps));
        AtLeast(1, BatchSize, nameof(BatchSize));
        AtLeast(0, EvaluationInterval, nameof(EvaluationInterval));
        AtLeast(1, EvaluationRows ?? 1, nameof(EvaluationRows));
        AtLeast(1, LogInterval, nameof(LogInterval));
        AtLeast(0, CheckpointInterval, nameof(CheckpointInterval));
        AtLeast(0, MaxSkippedUpdates, nameof(MaxSkippedUpdates));
        AtLeast(1, KeepCheckpoints, nameof(KeepCheckpoints));
        ValidateStages();
        if (!(AverageDecay is >= 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(AverageDecay), AverageDecay, $"AverageDecay is {AverageDecay}; it must be at least 0 and below 1 (0 switches averaging off).");
        if (!(LossSpikeDeviations >= 0))
            throw new ArgumentOutOfRangeException(nameof(LossSpikeDeviations), LossSpikeDeviations, $"LossSpikeDeviations is {LossSpikeDeviations}; it must be 0 or more (0 switches the warning off).");
        if (PeakFlops is { } peak && !(peak >= 0 && double.IsFinite(peak)))
            throw new ArgumentOutOfRangeException(nameof(PeakFlops), peak, $"PeakFlops is {peak}; it must be 0 or more and finite, or null to measure it.");
        if (TensorBoard && RunFolder is null)
            throw new ArgumentException("TensorBoard's event files go into the RunFolder; set one.", nameof(RunFolder));
        if (!(ValidationFraction is >= 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(ValidationFraction), ValidationFraction, $"ValidationFraction is {ValidationFraction}; it must be at least 0 and below 1 (0 switches validation off).");
        if (ResidualInitializerScale is { } scale && !(scale >= 0 && double.IsFinite(scale)))
            throw new ArgumentOutOfRangeException(nameof(ResidualInitializerScale), scale, $"ResidualInitializerScale is {scale}; it must be 0 or more and finite.");
        if (Tokenizer is not null && Tokenizer.VocabularySize > Model.VocabularySize)
            throw new ArgumentException($"The tokenizer has {Tokenizer.VocabularySize} tokens and the model a vocabulary of {Model.VocabularySize}; set Model.VocabularySize to {Tokenizer.VocabularySize} or more.", nameof(Model));
        if (Resume && RunFolder is null)
            throw new ArgumentException("Resume needs the RunFolder of the run to continue.", nameof(RunFolder));
        return this;

        static void AtLeast(int minimum, int value, string name)
        {
            if (value < minimum) throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it must be {minimum} or more.");
        }
    }

    private void ValidateStages()
    {
        ArgumentNullException.ThrowIfNull(Stages);
        for (int i = 0; i < Stages.Count; i++)
        {
            (int steps, int length, int batch, _) = Stages[i] ?? throw new ArgumentException($"Stage {i} is null.", nameof(Stages));
            if (steps < 1) throw new ArgumentOutOfRangeException(nameof(Stages), steps, $"Stage {i} has {steps} steps; it must have 1 or more.");
            if (batch < 1) throw new ArgumentOutOfRangeException(nameof(Stages), batch, $"Stage {i} has a batch of {batch} rows; it must be 1 or more.");
            if (length < 1 || Model.ContextLength % length != 0)
                throw new ArgumentException($"Stage {i} has rows of {length} tokens; they must divide the context length ({Model.ContextLength}).", nameof(Stages));
        }

        long sum = Stages.Sum(static s => (long)s.Steps);
        if (sum > MaxSteps) throw new ArgumentException($"The stages have {sum} steps and the run {MaxSteps}; raise MaxSteps or shorten a stage.", nameof(Stages));
        foreach (TrainingStage stage in TrainingPlan.StagesOf(this))
        {
            if ((stage.MicroBatchSize ?? MicroBatchSize).Rows is { } micro && stage.BatchSize % micro != 0)
                throw new ArgumentException($"MicroBatchSize is {micro}; it must divide BatchSize ({stage.BatchSize}).", nameof(MicroBatchSize));
        }
    }
}
