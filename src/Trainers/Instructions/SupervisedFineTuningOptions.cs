namespace MLNet.Gpt;

/// <summary>How <see cref="SupervisedFineTuningTrainer"/> teaches a pretrained GPT to complete prompts.</summary>
/// <remarks>
/// Immutable. Checked once, when the trainer is created. The defaults are those of InstructGPT's supervised policy where its authors name
/// them (Ouyang et al. 2022, appendix C.1): 16 epochs, residual dropout 0.2, a cosine to 10 % of the rate without warm-up, batches of 32.
/// </remarks>
public sealed record SupervisedFineTuningOptions
{
    /// <summary>The pretrained model, on TorchSharp, such as <see cref="GptLanguageModelTransformer.Model"/>. It stays as it is, and the caller's. Set this or <see cref="PretrainedFolder"/>.</summary>
    public GptModel? Pretrained { get; init; }

    /// <summary>The pretrained model's checkpoint folder in Hugging Face's GPT-2 layout, tokenizer included. Set this or <see cref="Pretrained"/>.</summary>
    public string? PretrainedFolder { get; init; }

    /// <summary>
    /// How conversations become tokens, where the input is a conversation column; null (the default) takes the pretrained model's, or
    /// <see cref="ChatTemplate.Default"/> where it has none. Kept with the fine-tuned model.
    /// </summary>
    public ChatTemplate? ChatTemplate { get; init; }

    /// <summary>Trains a LoRA adapter over the frozen model; null (the default) trains all weights.</summary>
    public LoraOptions? Lora { get; init; }

    /// <summary>Passes over the examples, 1 or more. Default 16 (Ouyang et al. 2022, appendix C.1).</summary>
    public int Epochs { get; init; } = 16;

    /// <summary>Examples in one update, 1 or more. Default 32, InstructGPT's for 1.3 and 6 billion parameters. The last update of an epoch takes what is left.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Rows computed at once, 1 or more; gradients are accumulated over the rest, to the same result. Null (the default) means all of an update.</summary>
    public int? MicroBatchSize { get; init; }

    /// <summary>
    /// Whether the examples of an update share rows of up to the context's length, each with positions of its own and blind to the others. The loss and its
    /// gradient are the same; short examples of unequal length train faster. Default false: one example a row, padded on the right.
    /// </summary>
    public bool Packing { get; init; }

    /// <summary>What happens to an example that is longer than the context. Default <see cref="ExampleOverflow.Error"/>.</summary>
    public ExampleOverflow Overflow { get; init; }

    /// <summary>
    /// What a special token's text in a prompt or a completion column means. Default <see cref="SpecialTokenHandling.Recognize"/>; take
    /// <see cref="SpecialTokenHandling.AsText"/> for text from strangers. Conversations are always text.
    /// </summary>
    public SpecialTokenHandling SpecialTokens { get; init; } = SpecialTokenHandling.Recognize;

    /// <summary>
    /// Optimizer, schedule and clipping. Null (the default) means no warm-up, no weight decay, β2 0.95, clipping at 1, a cosine to a tenth, and a rate of
    /// 9.65e-6 for all weights (Ouyang et al. 2022, appendix C.1, for 1.3 and 6 billion parameters; GPT-1's 6.25e-5 suits 100 million) or 2e-4 for
    /// an adapter (Hu et al. 2021, table 11, for GPT-2).
    /// </summary>
    public AdamWOptions? Optimizer { get; init; }

    /// <summary>Dropout before each residual sum in training, in [0, 1). Default 0.2 (Ouyang et al. 2022, appendix C.1). Null keeps the pretrained model's.</summary>
    public float? ResidualDropout { get; init; } = 0.2f;

    /// <summary>The number format of the forward and backward passes; that of the frozen weights too, where <see cref="Lora"/> is set. The adapter is float32.</summary>
    public GptPrecision Precision { get; init; } = GptPrecision.Auto;

    /// <summary>The share of the examples held out for validation, in [0, 1). 0 switches validation off. Default 0.1. Not read when a validation set is given to Fit.</summary>
    public double ValidationFraction { get; init; } = 0.1;

    /// <summary>Updates between evaluations, which also come before the first and after the last. Null (the default) means one after each epoch; 0 switches evaluation off.</summary>
    public int? EvaluationInterval { get; init; }

    /// <summary>
    /// Evaluations in a row without a new lowest validation loss before training ends. 0 (the default) switches early stopping off: InstructGPT's policies were judged
    /// better after 16 epochs though their validation loss rose after the first.
    /// </summary>
    public int EarlyStoppingPatience { get; init; }

    /// <summary>True returns the weights of the lowest validation loss, false those of the last update. Null (the default) means true where early stopping is on, else false.</summary>
    public bool? ReturnBest { get; init; }

    /// <summary>Updates between reports, 1 or more. Default 10.</summary>
    public int LogInterval { get; init; } = 10;

    /// <summary>Updates between checkpoints of the last state in <see cref="RunFolder"/>; 0 writes one at the end only. Default 250.</summary>
    public int CheckpointInterval { get; init; } = 250;

    /// <summary>
    /// Where <c>metrics.jsonl</c>, <c>loss.svg</c> and the checkpoints <c>last</c> and <c>best</c> go: checkpoint folders, or with <see cref="Lora"/> adapters in
    /// PEFT's layout. Null (the default) writes nothing.
    /// </summary>
    public string? RunFolder { get; init; }

    /// <summary>
    /// Continues the run in <see cref="RunFolder"/> from its last checkpoint, to the same losses as if it had never stopped (bit for bit on a CPU with the same
    /// thread count). False (the default) refuses a folder that holds a run.
    /// </summary>
    public bool Resume { get; init; }

    /// <summary>Updates in a row that are skipped because the loss or the gradient is not finite, before the run stops with a <see cref="TrainingDivergedException"/>; 0 stops at the first. Default 10.</summary>
    public int MaxSkippedUpdates { get; init; } = 10;

    /// <summary>How the fitted transformer generates. Default: 128 tokens at most, drawn from the model's own distribution. Generation ends at the token that ends a completion. A conversation column's fitted transformer reads conversations that end with the user, whatever <see cref="GenerateTextOptions.PromptForm"/> says.</summary>
    public GenerateTextOptions Generation { get; init; } = new();

    /// <summary>Seeds an adapter, the order of the examples and dropout. Null (the default) means the MLContext's seed, or 0 without one.</summary>
    public int? Seed { get; init; }

    /// <summary>Where to train; null (the default) follows <c>MLContext.GpuDeviceId</c> and <c>FallbackToCpu</c>, and without them takes a CUDA GPU where there is one.</summary>
    public GptDevice? Device { get; init; }

    /// <summary>Called with every report, on the training thread; null (the default) for none. Reports go to MLContext's log in any case.</summary>
    public Action<TrainingProgress>? Progress { get; init; }

    /// <summary>Ends the run after the update under way; Fit then returns the model as far as it got, and the last checkpoint is written.</summary>
    public CancellationToken CancellationToken { get; init; }

    /// <summary><see cref="Optimizer"/>, or the defaults that it tells of.</summary>
    internal AdamWOptions OptimizerInUse => Optimizer ?? new() { LearningRate = Lora is null ? 9.65e-6 : 2e-4, WarmupSteps = 0, WeightDecay = 0 };

    /// <summary><see cref="ReturnBest"/>, or the default that it tells of.</summary>
    internal bool ReturnsBest => ReturnBest ?? EarlyStoppingPatience > 0;

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">A value is outside its range, or two do not fit together.</exception>
    public SupervisedFineTuningOptions Validate()
    {
        if (Pretrained is null == PretrainedFolder is null)
            throw new ArgumentException($"{(Pretrained is null ? "Neither" : "Both")} of Pretrained and PretrainedFolder {(Pretrained is null ? "is" : "are")} set; name the pretrained model by one of them.", nameof(Pretrained));
        if (Pretrained is { Engine: not TorchCausalModel })
            throw new ArgumentException($"The pretrained model runs on {Pretrained.Engine.GetType().Name}, which can't be trained; name its checkpoint folder in PretrainedFolder.", nameof(Pretrained));
        ChatTemplate?.Validate();
        Lora?.Validate();
        Optimizer?.Validate();
        ArgumentNullException.ThrowIfNull(Generation);
        Generation.Validate();
        AtLeast(1, Epochs, nameof(Epochs));
        AtLeast(1, BatchSize, nameof(BatchSize));
        AtLeast(1, MicroBatchSize ?? 1, nameof(MicroBatchSize));
        AtLeast(0, EvaluationInterval ?? 0, nameof(EvaluationInterval));
        AtLeast(0, EarlyStoppingPatience, nameof(EarlyStoppingPatience));
        AtLeast(1, LogInterval, nameof(LogInterval));
        AtLeast(0, CheckpointInterval, nameof(CheckpointInterval));
        AtLeast(0, MaxSkippedUpdates, nameof(MaxSkippedUpdates));
        if (!Enum.IsDefined(Overflow)) throw new ArgumentOutOfRangeException(nameof(Overflow), Overflow, $"Overflow is {Overflow}; it must be one of {string.Join(", ", Enum.GetNames<ExampleOverflow>())}.");
        if (!Enum.IsDefined(SpecialTokens)) throw new ArgumentOutOfRangeException(nameof(SpecialTokens), SpecialTokens, $"SpecialTokens is {SpecialTokens}; it must be one of {string.Join(", ", Enum.GetNames<SpecialTokenHandling>())}.");
        if (ResidualDropout is { } dropout && !(dropout is >= 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(ResidualDropout), dropout, $"ResidualDropout is {dropout}; it must be at least 0 and below 1 (0 switches it off).");
        if (!(ValidationFraction is >= 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(ValidationFraction), ValidationFraction, $"ValidationFraction is {ValidationFraction}; it must be at least 0 and below 1 (0 switches validation off).");
        if (EvaluationInterval == 0 && (EarlyStoppingPatience > 0 || ReturnBest == true))
            throw new ArgumentException("EvaluationInterval is 0, which switches evaluation off, and early stopping or ReturnBest needs it; leave it null for one evaluation an epoch.", nameof(EvaluationInterval));
        if (Generation.SpecialTokens != SpecialTokens)
            throw new ArgumentException($"Generation.SpecialTokens is {Generation.SpecialTokens} and SpecialTokens is {SpecialTokens}; set both alike, so that a prompt means the same tokens in training and after it.", nameof(SpecialTokens));
        if (Resume && RunFolder is null)
            throw new ArgumentException("Resume needs the RunFolder of the run to continue.", nameof(RunFolder));
        return this;

        static void AtLeast(int minimum, int value, string name)
        {
            if (value < minimum) throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it must be {minimum} or more.");
        }
    }
}
