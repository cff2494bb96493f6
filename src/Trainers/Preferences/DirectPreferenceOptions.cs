namespace MLNet.Gpt;

/// <summary>How <see cref="DirectPreferenceTrainer"/> teaches a policy from pairs of a chosen and a rejected response.</summary>
/// <remarks>
/// Immutable. Checked once, when the trainer is created. The defaults are those of Rafailov et al. 2023 where the authors name them (appendix B): β 0.1, 64 pairs an update,
/// a rate of 1e-6. Their optimizer is RMSprop with a warm-up of 150 updates; here it is AdamW without one, <see cref="Optimizer"/>.
/// </remarks>
public sealed record DirectPreferenceOptions
{
    /// <summary>
    /// The policy to begin with, best a supervised fine-tuned one, and the reference too: a model on TorchSharp, or the path of a checkpoint folder. It must be set. Its
    /// log-probabilities of all responses are computed once, before the first update, so that no second copy of the weights is kept.
    /// </summary>
    public PretrainedModel? Pretrained { get; init; }

    /// <summary>
    /// How conversations become tokens, where the prompts are conversations (<see cref="GenerateTextOptions.PromptForm"/> of <see cref="Generation"/>); null (the default) takes the
    /// policy's, or <see cref="ChatTemplate.Default"/> where it has none. Kept with the trained model.
    /// </summary>
    public ChatTemplate? ChatTemplate { get; init; }

    /// <summary>What is minimised. Default <see cref="PreferenceObjective.Sigmoid"/>, DPO.</summary>
    public PreferenceObjective Objective { get; init; } = PreferenceObjective.Sigmoid;

    /// <summary>
    /// β, above 0: how much the reference holds the policy. Default 0.1 (Rafailov et al. 2023, appendix B). With <see cref="PreferenceObjective.Identity"/> 1/(2β) is the margin in nats
    /// that a pair is to have.
    /// </summary>
    public double Beta { get; init; } = 0.1;

    /// <summary>The share of the labels that are taken to be wrong, in [0, 0.5) (Mitchell 2023, cDPO). Default 0. With <see cref="PreferenceObjective.Sigmoid"/> only.</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>
    /// Whether a response's log-likelihood is the mean over its tokens, the one that ends it included, in place of their sum, so that long responses weigh no more than short ones
    /// (Meng et al. 2024, SimPO, equation 3). β then wants to be larger, by about the tokens of a response. Default false.
    /// </summary>
    public bool LengthNormalized { get; init; }

    /// <summary>Trains a LoRA adapter over the frozen policy, whose reference is the policy without it; null (the default) trains all weights. The adapter is float32 in every number format.</summary>
    public LoraOptions? Lora { get; init; }

    /// <summary>Passes over the pairs, 1 or more. Default 1: the pairs are soon learnt by heart.</summary>
    public int Epochs { get; init; } = 1;

    /// <summary>Pairs in one update, 1 or more. Default 64 (Rafailov et al. 2023, appendix B). The last update of an epoch takes what is left.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>
    /// Pairs computed at once, each of two rows; gradients are accumulated over the rest, to the same result. A number, <see cref="MicroBatchSize.WholeBatch"/> (the default) or
    /// <see cref="MicroBatchSize.Auto"/>, the largest divisor of <see cref="BatchSize"/> that fits the memory.
    /// </summary>
    public MicroBatchSize MicroBatchSize { get; init; }

    /// <summary>
    /// What happens to a prompt that does not fit the context beside the longer of its two responses, which are never cut. Default <see cref="PromptOverflow.KeepTail"/>: its first tokens
    /// are dropped, the same ones for both.
    /// </summary>
    public PromptOverflow Overflow { get; init; } = PromptOverflow.KeepTail;

    /// <summary>
    /// Optimizer, schedule and clipping. Null (the default) means no warm-up, no weight decay, β2 0.95, clipping at 1, a cosine to a tenth, and a rate of 1e-6 for all weights
    /// (Rafailov et al. 2023, appendix B, for billions of parameters; a small model takes more, 1e-5 to 1e-3) or 5e-5 for an adapter.
    /// To set the rate and keep the rest: <c>AdamWOptions.FineTuning with { LearningRate = 1e-4 }</c>; a new <see cref="AdamWOptions"/> has pretraining's warm-up and weight decay.
    /// </summary>
    public AdamWOptions? Optimizer { get; init; }

    /// <summary>What is validated on, how often, and what follows. By default a tenth of the prompts, before the first update and after each epoch; the best weights are returned.</summary>
    public EvaluationOptions Evaluation { get; init; } = new();

    /// <summary>Device and number format, folder and reports, stopping and resuming. With <see cref="Lora"/> the checkpoints are adapters in PEFT's layout.</summary>
    public RunOptions Run { get; init; } = new();

    /// <summary>
    /// How the fitted transformer generates, and what prompts are, in training as after it: <see cref="GenerateTextOptions.PromptForm"/> says whether they are texts or conversations
    /// in JSON that end with the user, <see cref="GenerateTextOptions.SpecialTokens"/> what special tokens' texts in prompts and responses mean.
    /// </summary>
    public GenerateTextOptions Generation { get; init; } = new();

    /// <summary>Whether prompts are conversations.</summary>
    internal bool Conversations => Generation.PromptForm == PromptForm.Conversation;

    /// <summary><see cref="RunOptions.Dropout"/>, or none, as in the reference.</summary>
    internal DropoutOptions DropoutInUse => Run.Dropout ?? DropoutOptions.None;

    /// <summary><see cref="Optimizer"/>, or the defaults that it tells of.</summary>
    internal AdamWOptions OptimizerInUse => Optimizer ?? AdamWOptions.FineTuning with { LearningRate = Lora is null ? 1e-6 : 5e-5 };

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">A value is outside its range, or two do not fit together.</exception>
    public DirectPreferenceOptions Validate()
    {
        if (Pretrained is null)
            throw new ArgumentException("Pretrained is not set; give the policy to begin with: a GptModel on TorchSharp, or the path of its checkpoint folder.", nameof(Pretrained));
        ArgumentNullException.ThrowIfNull(Evaluation);
        ArgumentNullException.ThrowIfNull(Run);
        ArgumentNullException.ThrowIfNull(Generation);
        ChatTemplate?.Validate();
        Lora?.Validate();
        Optimizer?.Validate();
        Evaluation.Validate();
        Run.Validate();
        Generation.Validate();
        OptionCheck.Defined(Objective, nameof(Objective));
        OptionCheck.Defined(Overflow, nameof(Overflow));
        OptionCheck.AtLeast(1, Epochs, nameof(Epochs));
        OptionCheck.AtLeast(1, BatchSize, nameof(BatchSize));
        OptionCheck.Require(Beta > 0 && double.IsFinite(Beta), Beta, nameof(Beta), "above 0 and finite");
        OptionCheck.Require(LabelSmoothing is >= 0 and < 0.5, LabelSmoothing, nameof(LabelSmoothing), "at least 0 and below 0.5 (0 trusts all labels)");
        if (LabelSmoothing > 0 && Objective != PreferenceObjective.Sigmoid)
            throw new ArgumentException(FormattableString.Invariant($"LabelSmoothing is {LabelSmoothing} and Objective is {Objective}, which has none; set it to 0, or take {nameof(PreferenceObjective.Sigmoid)}."), nameof(LabelSmoothing));
        if (ChatTemplate is not null && !Conversations)
            throw new ArgumentException("ChatTemplate is set, and the prompts are texts, which need none; leave it null, or set Generation.PromptForm to Conversation.", nameof(ChatTemplate));
        if (!Generation.StopAtEndOfText)
            throw new ArgumentException("Generation.StopAtEndOfText is false, and a response ends with a token that generation has to stop at; leave it true.", nameof(Generation));
        return this;
    }

    /// <summary>The settings of a run.</summary>
    /// <param name="maxSteps">The updates of the whole run.</param>
    /// <param name="stepsPerEpoch">Those of an epoch.</param>
    /// <param name="evaluates">Whether there is a validation set.</param>
    internal RunSettings Settings(int maxSteps, int stepsPerEpoch, bool evaluates) =>
        RunSettings.Of(Run, Evaluation, OptimizerInUse, maxSteps, stepsPerEpoch, returnBest: true, evaluates, "loss of a pair", isLanguageModel: false);
}
