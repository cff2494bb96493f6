namespace MLNet.Gpt;

/// <summary>How <see cref="SupervisedFineTuningTrainer"/> teaches a pretrained GPT to complete prompts.</summary>
/// <remarks>
/// Immutable. Checked once, when the trainer is created. The defaults are those of InstructGPT's supervised policy where its authors name
/// them (Ouyang et al. 2022, appendix C.1): 16 epochs, residual dropout 0.2, a cosine to 10 % of the rate without warm-up, batches of 32.
/// </remarks>
public sealed record SupervisedFineTuningOptions
{
    /// <summary>The pretrained model: one on TorchSharp, such as <see cref="GptLanguageModelTransformer.Model"/>, or the path of a checkpoint folder. It must be set.</summary>
    public PretrainedModel? Pretrained { get; init; }

    /// <summary>
    /// How conversations become tokens, where the input is a conversation column; null (the default) takes the pretrained model's, or
    /// <see cref="ChatTemplate.Default"/> where it has none. Kept with the fine-tuned model.
    /// </summary>
    public ChatTemplate? ChatTemplate { get; init; }

    /// <summary>Trains a LoRA adapter over the frozen model; null (the default) trains all weights. The adapter is float32 in every number format.</summary>
    public LoraOptions? Lora { get; init; }

    /// <summary>Passes over the examples, 1 or more. Default 16 (Ouyang et al. 2022, appendix C.1).</summary>
    public int Epochs { get; init; } = 16;

    /// <summary>Examples in one update, 1 or more. Default 32, InstructGPT's for 1.3 and 6 billion parameters. The last update of an epoch takes what is left.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>
    /// Rows computed at once; gradients are accumulated over the rest, to the same result. A number, <see cref="MicroBatchSize.WholeBatch"/> (the default) or
    /// <see cref="MicroBatchSize.Auto"/>, the largest divisor of <see cref="BatchSize"/> that fits the memory.
    /// </summary>
    public MicroBatchSize MicroBatchSize { get; init; }

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
    /// To set the rate and keep the rest: <c>AdamWOptions.FineTuning with { LearningRate = 1e-4 }</c>; a new <see cref="AdamWOptions"/> has pretraining's warm-up and weight decay.
    /// </summary>
    public AdamWOptions? Optimizer { get; init; }

    /// <summary>What is validated on, how often, and what follows. By default a tenth of the examples, before the first update and after each epoch; the last weights are returned.</summary>
    public EvaluationOptions Evaluation { get; init; } = new();

    /// <summary>Device and number format, folder and reports, stopping and resuming. With <see cref="Lora"/> the checkpoints are adapters in PEFT's layout.</summary>
    public RunOptions Run { get; init; } = new();

    /// <summary>How the fitted transformer generates. Default: 128 tokens at most, drawn from the model's own distribution. Generation ends at the token that ends a completion. A conversation column's fitted transformer reads conversations that end with the user, whatever <see cref="GenerateTextOptions.PromptForm"/> says.</summary>
    public GenerateTextOptions Generation { get; init; } = new();

    /// <summary><see cref="RunOptions.Dropout"/>, or InstructGPT's (Ouyang et al. 2022, appendix C.1).</summary>
    internal DropoutOptions DropoutInUse => Run.Dropout ?? new() { Residual = 0.2f };

    /// <summary><see cref="Optimizer"/>, or the defaults that it tells of.</summary>
    internal AdamWOptions OptimizerInUse => Optimizer ?? AdamWOptions.FineTuning with { LearningRate = Lora is null ? 9.65e-6 : 2e-4 };

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">A value is outside its range, or two do not fit together.</exception>
    public SupervisedFineTuningOptions Validate()
    {
        if (Pretrained is null)
            throw new ArgumentException("Pretrained is not set; give the pretrained model: a GptModel on TorchSharp, or the path of its checkpoint folder.", nameof(Pretrained));
        ArgumentNullException.ThrowIfNull(Evaluation);
        ArgumentNullException.ThrowIfNull(Run);
        ArgumentNullException.ThrowIfNull(Generation);
        ChatTemplate?.Validate();
        Lora?.Validate();
        Optimizer?.Validate();
        Evaluation.Validate();
        Run.Validate();
        Generation.Validate();
        OptionCheck.AtLeast(1, Epochs, nameof(Epochs));
        OptionCheck.AtLeast(1, BatchSize, nameof(BatchSize));
        OptionCheck.Defined(Overflow, nameof(Overflow));
        OptionCheck.Defined(SpecialTokens, nameof(SpecialTokens));
        if (Generation.SpecialTokens != SpecialTokens)
            throw new ArgumentException($"Generation.SpecialTokens is {Generation.SpecialTokens} and SpecialTokens is {SpecialTokens}; set both alike, so that a prompt means the same tokens in training and after it.", nameof(SpecialTokens));
        return this;
    }

    /// <summary>The settings of a run.</summary>
    /// <param name="maxSteps">The updates of the whole run.</param>
    /// <param name="stepsPerEpoch">Those of an epoch.</param>
    /// <param name="evaluates">Whether there is a validation set.</param>
    internal RunSettings Settings(int maxSteps, int stepsPerEpoch, bool evaluates) =>
        RunSettings.Of(Run, Evaluation, OptimizerInUse, maxSteps, stepsPerEpoch, returnBest: Evaluation.EarlyStoppingPatience > 0, evaluates, "loss, nats per completion token");
}
