namespace MLNet.Gpt;

/// <summary>How <see cref="RewardModelTrainer"/> trains a reward model.</summary>
/// <remarks>
/// Immutable. Checked once, when the trainer is created. The defaults are InstructGPT's (Ouyang et al. 2022, section 3.5 and appendix C.2): one epoch, since more overfit, 64 prompts
/// an update with all pairs of their responses, a cosine from 9e-6 to a tenth.
/// </remarks>
public sealed record RewardModelOptions
{
    /// <summary>The model to begin with, best a supervised fine-tuned one: a model on TorchSharp, or the path of a checkpoint folder. It must be set.</summary>
    public PretrainedModel? Pretrained { get; init; }

    /// <summary>Where the head reads, what prompts are, and what happens to those that do not fit; kept with the model.</summary>
    public RewardHead Head { get; init; } = new();

    /// <summary>
    /// How conversations become tokens, where <see cref="RewardHead.Conversations"/> is set; null (the default) takes the pretrained model's, or
    /// <see cref="ChatTemplate.Default"/> where it has none. Kept with the model.
    /// </summary>
    public ChatTemplate? ChatTemplate { get; init; }

    /// <summary>Which grade of two is the better one. Default <see cref="GradeOrder.HigherIsBetter"/>, as in ML.NET's ranking. Pairs have no grades, and take the default alone.</summary>
    public GradeOrder GradeOrder { get; init; } = GradeOrder.HigherIsBetter;

    /// <summary>Trains a LoRA adapter and the head, and leaves the pretrained weights as they are. Null (the default) trains all weights. The trained model has the adapter merged.</summary>
    public LoraOptions? Lora { get; init; }

    /// <summary>
    /// Which weights stay as they are: with <see cref="FrozenWeights.Pretrained"/> the head and a read-out token's embedding are trained, with <see cref="FrozenWeights.AllButHead"/> the head alone; without a read-out
    /// token the two are the same. The network then computes as it does in use, without dropout, and models that were trained so over one pretrained model share its weights, in memory and in a package
    /// (<see cref="OnnxExportOptions.Heads"/>). Default <see cref="FrozenWeights.None"/>. Not with <see cref="Lora"/> or <see cref="RunOptions.Dropout"/>.
    /// </summary>
    public FrozenWeights Freeze { get; init; }

    /// <summary>Passes over the prompts, 1 or more. Default 1 (Ouyang et al. 2022, appendix C.2: more overfit).</summary>
    public int Epochs { get; init; } = 1;

    /// <summary>Prompts in one update, 1 or more, each with all of its responses. Default 64 (appendix C.2). The last update of an epoch takes what is left.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>
    /// Prompts computed at once, each with all of its responses; gradients are accumulated over the rest, to the same result. A number,
    /// <see cref="MicroBatchSize.WholeBatch"/> (the default) or <see cref="MicroBatchSize.Auto"/>, the largest divisor of <see cref="BatchSize"/> that fits the memory.
    /// </summary>
    public MicroBatchSize MicroBatchSize { get; init; }

    /// <summary>
    /// What the better response's reward must be ahead for each grade between the two, 0 or more (Touvron et al. 2023, equation 2; a pair's grades are 1 apart). Default 0: equation 1
    /// of Ouyang et al. 2022.
    /// </summary>
    public double Margin { get; init; }

    /// <summary>The weight of the mean of (r⁺ + r⁻)², which keeps rewards near 0 (Eisenstein et al. 2023, section 4: 0.01), 0 or more. Default 0.</summary>
    public double Centering { get; init; }

    /// <summary>The training responses whose mean reward becomes 0 when training is over. Default <see cref="RewardReferences.PreferredResponses"/>.</summary>
    public RewardReferences References { get; init; } = RewardReferences.PreferredResponses;

    /// <summary>
    /// Optimizer, schedule and clipping. Null (the default) means no warm-up, no weight decay, β2 0.95, clipping at 1, a cosine to a tenth, and a rate of
    /// 9e-6 for all weights (appendix C.2, for 6 billion parameters; a small model takes more, 1e-5 to 1e-3), 2e-4 for an adapter or 1e-3 over frozen weights.
    /// To set the rate and keep the rest: <c>AdamWOptions.FineTuning with { LearningRate = 1e-4 }</c>; a new <see cref="AdamWOptions"/> has pretraining's warm-up and weight decay.
    /// </summary>
    public AdamWOptions? Optimizer { get; init; }

    /// <summary>What is validated on, how often, and what follows. By default a tenth of the prompts, before the first update and after each epoch; the best weights are returned.</summary>
    public EvaluationOptions Evaluation { get; init; } = new();

    /// <summary>
    /// Device and number format, folder and reports, stopping and resuming. The folder gets <c>calibration.svg</c> (with a validation set) and the trained model as an
    /// ONNX package (<c>model</c>) too.
    /// </summary>
    public RunOptions Run { get; init; } = new();

    /// <summary>The names of the columns that the trained transformer adds beside the score, and how it batches.</summary>
    public ScoreResponseOptions Scoring { get; init; } = new();

    /// <summary><see cref="Optimizer"/>, or the defaults that it tells of.</summary>
    internal AdamWOptions OptimizerInUse => Optimizer ?? AdamWOptions.FineTuning with { LearningRate = Lora is not null ? 2e-4 : Freeze != FrozenWeights.None ? FrozenWeightsRules.LearningRate : 9e-6 };

    /// <summary><see cref="RunOptions.Dropout"/>, or none.</summary>
    internal DropoutOptions DropoutInUse => Run.Dropout ?? DropoutOptions.None;

    /// <summary>Whether no backward pass goes through the network.</summary>
    internal bool IsForwardOnly => Freeze == FrozenWeights.AllButHead || (Freeze == FrozenWeights.Pretrained && Head.AddedTokenCount == 0);

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">A value is outside its range, or two do not fit together.</exception>
    public RewardModelOptions Validate()
    {
        if (Pretrained is null)
            throw new ArgumentException("Pretrained is not set; give the model to begin with: a GptModel on TorchSharp, or the path of its checkpoint folder.", nameof(Pretrained));
        ArgumentNullException.ThrowIfNull(Head);
        ArgumentNullException.ThrowIfNull(Evaluation);
        ArgumentNullException.ThrowIfNull(Run);
        ArgumentNullException.ThrowIfNull(Scoring);
        Head.Validate();
        ChatTemplate?.Validate();
        Lora?.Validate();
        Optimizer?.Validate();
        Evaluation.Validate();
        Run.Validate();
        Scoring.Validate();
        OptionCheck.Defined(GradeOrder, nameof(GradeOrder));
        OptionCheck.Defined(References, nameof(References));
        OptionCheck.AtLeast(1, Epochs, nameof(Epochs));
        OptionCheck.AtLeast(1, BatchSize, nameof(BatchSize));
        OptionCheck.Require(Margin >= 0 && double.IsFinite(Margin), Margin, nameof(Margin), "0 or more and finite");
        OptionCheck.Require(Centering >= 0 && double.IsFinite(Centering), Centering, nameof(Centering), "0 or more and finite");
        FrozenWeightsRules.Check(Freeze, Lora, Run, Head.AddedTokenCount > 0);
        if (ChatTemplate is not null && !Head.Conversations)
            throw new ArgumentException("ChatTemplate is set, and the prompts are texts, which need none; leave it null, or set Head.Conversations.", nameof(ChatTemplate));
        return this;
    }

    /// <summary>The settings of a run.</summary>
    /// <param name="maxSteps">The updates of the whole run.</param>
    /// <param name="stepsPerEpoch">Those of an epoch.</param>
    /// <param name="evaluates">Whether there is a validation set.</param>
    internal RunSettings Settings(int maxSteps, int stepsPerEpoch, bool evaluates) =>
        RunSettings.Of(Run, Evaluation, OptimizerInUse, maxSteps, stepsPerEpoch, returnBest: true, evaluates, "loss, nats per pair", isLanguageModel: false);
}
