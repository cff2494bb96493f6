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

    /// <summary>Optimizer, schedule and clipping.</summary>
    public AdamWOptions Optimizer { get; init; } = new();

    /// <summary>
    /// The factor on the initial deviation of the projections into the residual stream, 0 or more. Null (the default) means 1/√(2L) for a pre-norm
    /// model (Radford et al. 2019, section 2.3) and 1 for a post-norm one. 1, which the code released with GPT-2 has, trains a model of few
    /// layers faster; a deep one needs the smaller factor.
    /// </summary>
    public double? ResidualInitializerScale { get; init; }

    /// <summary>
    /// False (the default) holds out whole documents, duplicates removed before; true takes the last part of the token stream, which is
    /// what a corpus that is one long document needs.
    /// </summary>
    public bool SplitByPosition { get; init; }

    /// <summary>What is validated on, how often, and what follows. By default a tenth of the documents, before the first update and every 250.</summary>
    public EvaluationOptions Evaluation { get; init; } = new();

    /// <summary>Device and number format, folder and reports, stopping and resuming.</summary>
    public RunOptions Run { get; init; } = new();

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">A value is outside its range, or two do not fit together.</exception>
    public LanguageModelOptions Validate()
    {
        ArgumentNullException.ThrowIfNull(Model);
        ArgumentNullException.ThrowIfNull(Optimizer);
        ArgumentNullException.ThrowIfNull(Evaluation);
        ArgumentNullException.ThrowIfNull(Run);
        Model.Validate();
        Optimizer.Validate();
        Evaluation.Validate();
        Run.Validate();
        OptionCheck.AtLeast(1, MaxSteps, nameof(MaxSteps));
        OptionCheck.AtLeast(1, BatchSize, nameof(BatchSize));
        OptionCheck.Require(ResidualInitializerScale is not { } scale || (scale >= 0 && double.IsFinite(scale)), ResidualInitializerScale, nameof(ResidualInitializerScale), "0 or more and finite");
        ValidateStages();
        if (Tokenizer is not null && Tokenizer.VocabularySize > Model.VocabularySize)
            throw new ArgumentException($"The tokenizer has {Tokenizer.VocabularySize} tokens and the model a vocabulary of {Model.VocabularySize}; set Model.VocabularySize to {Tokenizer.VocabularySize} or more.", nameof(Model));
        return this;
    }

    /// <summary>The settings of a run.</summary>
    /// <param name="evaluates">Whether there is a validation set.</param>
    internal RunSettings Settings(bool evaluates) => RunSettings.Of(Run, Evaluation, Optimizer, MaxSteps, interval: 250, returnBest: true, evaluates, "loss, nats per token");

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
            MicroBatchSize wanted = stage.MicroBatchSize ?? MicroBatchSize;
            if (wanted.Rows is { } micro && stage.BatchSize % micro != 0)
                throw new ArgumentException($"MicroBatchSize is {micro}; it must divide BatchSize ({stage.BatchSize}).", nameof(MicroBatchSize));
            long tokens = (long)wanted.RowsOf(stage.BatchSize) * stage.SequenceLength;
            if (tokens > Array.MaxLength)
                throw new ArgumentException(FormattableString.Invariant($"{wanted.RowsOf(stage.BatchSize):N0} rows of {stage.SequenceLength:N0} tokens at once are {tokens:N0} tokens, and an array holds {Array.MaxLength:N0}; lower BatchSize, or set MicroBatchSize."), nameof(BatchSize));
        }
    }
}
