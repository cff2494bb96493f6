namespace MLNet.Gpt;

/// <summary>How <see cref="PolicyOptimizationTrainer"/> optimises a policy.</summary>
/// <remarks>
/// Immutable. Checked once, when the trainer is created. A rollout is <see cref="BatchSize"/> × <see cref="RolloutOptions.Minibatches"/> responses of the policy as it is then; from each the policy learns
/// <see cref="RolloutOptions.InnerEpochs"/> times. <see cref="InstructGpt"/> and <see cref="Trl"/> are starting points: <c>PolicyOptimizationOptions.InstructGpt with { Pretrained = …, Reward = … }</c>.
/// </remarks>
public sealed record PolicyOptimizationOptions
{
    /// <summary>
    /// InstructGPT's PPO (Ouyang et al. 2022, section 3.5 and appendix C.4): 256,000 episodes in rollouts of 512, 8 updates of 64 in each, one inner epoch, a constant rate of 9e-6 after a warm-up of ten rollouts,
    /// β 0.02, clipping at 0.2, no discount, averaged weights of decay 0.992. <see cref="PretrainingMix"/>, whose γ of 27.8 is its own default, needs a corpus.
    /// </summary>
    public static PolicyOptimizationOptions InstructGpt { get; } = new()
    {
        Episodes = 256_000,
        BatchSize = 64,
        Rollout = new() { Minibatches = 8, InnerEpochs = 1 },
        Kl = new() { Coefficient = 0.02 },
        Optimizer = new() { LearningRate = 9e-6, MinLearningRate = 9e-6, WarmupSteps = 80, WeightDecay = 0 },
        Run = new() { AverageDecay = 0.992 },
    };

    /// <summary>TRL's defaults of PPO: a rate of 3e-6, β 0.05, clipping at 0.2, γ 1, λ 0.95, value coefficient 0.1, 4 inner epochs, temperature 0.7, responses of 53 tokens. The rate falls to 0 along a cosine, TRL's along a line.</summary>
    public static PolicyOptimizationOptions Trl { get; } = new()
    {
        Rollout = new() { Minibatches = 1, InnerEpochs = 4, Temperature = 0.7f, MaxNewTokens = 53 },
        Kl = new() { Coefficient = 0.05 },
        Optimizer = new() { LearningRate = 3e-6, MinLearningRate = 0, WarmupSteps = 0, Beta2 = 0.999, WeightDecay = 0 },
    };

    /// <summary>The policy to begin with, best a supervised fine-tuned one: a model on TorchSharp, or the path of a checkpoint folder. It must be set.</summary>
    public PretrainedModel? Pretrained { get; init; }

    /// <summary>What KL is measured from, of the policy's tokenizer and shape; null (the default) means <see cref="Pretrained"/>. With <see cref="Lora"/> it is the base without the adapter, and can't be set.</summary>
    public PretrainedModel? Reference { get; init; }

    /// <summary>The algorithm. Default <see cref="PolicyAlgorithm.Ppo"/>.</summary>
    public PolicyAlgorithm Algorithm { get; init; } = PolicyAlgorithm.Ppo;

    /// <summary>What the policy is rewarded for.</summary>
    public PolicyRewardOptions Reward { get; init; } = new();

    /// <summary>How responses are drawn, and how many.</summary>
    public RolloutOptions Rollout { get; init; } = new();

    /// <summary>What holds the policy near its reference.</summary>
    public KlOptions Kl { get; init; } = new();

    /// <summary>PPO's own options; null (the default) means their defaults. Can't be set with another algorithm.</summary>
    public PpoOptions? Ppo { get; init; }

    /// <summary>GRPO's own options; null (the default) means their defaults. Can't be set with another algorithm.</summary>
    public GrpoOptions? Grpo { get; init; }

    /// <summary>Language modelling beside the reward; null (the default) for none.</summary>
    public PretrainingMixOptions? PretrainingMix { get; init; }

    /// <summary>Responses to learn from in the whole run, each of them <see cref="RolloutOptions.InnerEpochs"/> times, 1 or more; rounded up to whole rollouts. Null (the default) means one pass over the prompts.</summary>
    public long? Episodes { get; init; }

    /// <summary>Responses in one update, 1 or more. Default 64 (Ouyang et al. 2022, appendix C.4).</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>
    /// Responses computed at once; gradients are accumulated over the rest, to the same result. A number, <see cref="MicroBatchSize.WholeBatch"/> (the default) or
    /// <see cref="MicroBatchSize.Auto"/>, the largest divisor of <see cref="BatchSize"/> that fits the memory.
    /// </summary>
    public MicroBatchSize MicroBatchSize { get; init; }

    /// <summary>ε of the clipped policy loss: the probability of a token may fall to 1 − ε of what it was in the rollout before the loss says no more; in (0, 1). Default 0.2.</summary>
    public double ClipRange { get; init; } = 0.2;

    /// <summary>ε upwards, above 0; null (the default) means <see cref="ClipRange"/>. DAPO has 0.28 (Yu et al. 2025).</summary>
    public double? ClipRangeHigh { get; init; }

    /// <summary>c of dual clipping, above 1 (Ye et al. 2020, equation 5, with 3); null (the default) for none.</summary>
    public double? DualClip { get; init; }

    /// <summary>The weight of the entropy bonus, 0 or more. 0 (the default) switches it off.</summary>
    public double EntropyCoefficient { get; init; }

    /// <summary>How conversations become tokens, where <see cref="Generation"/> says that prompts are; null (the default) takes the policy's, or <see cref="ChatTemplate.Default"/> where it has none. Kept with the policy.</summary>
    public ChatTemplate? ChatTemplate { get; init; }

    /// <summary>Trains a LoRA adapter over the frozen policy, whose weights without it are the reference; null (the default) trains all weights.</summary>
    public LoraOptions? Lora { get; init; }

    /// <summary>
    /// Optimizer, schedule and clipping, of policy and value model together. Null (the default) means no warm-up, no weight decay, β2 0.95, clipping at 1, a cosine to a tenth, and a rate of 3e-6 for all weights (TRL's PPO; small
    /// models take more, 1e-5 to 1e-3) or 5e-5 for an adapter.
    /// To set the rate and keep the rest: <c>AdamWOptions.FineTuning with { LearningRate = 1e-4 }</c>; a new <see cref="AdamWOptions"/> has pretraining's warm-up and weight decay.
    /// </summary>
    public AdamWOptions? Optimizer { get; init; }

    /// <summary>
    /// What is validated on, how often, and what follows. The validation loss is −(mean score − β·KL) of responses to held-out prompts, with β as it is at first. By default nothing is held out; with a validation set, before the
    /// first update and after each pass over the prompts, and the last weights are returned.
    /// </summary>
    public EvaluationOptions Evaluation { get; init; } = new();

    /// <summary>
    /// Device and number format, folder and reports, stopping and resuming. With <see cref="Lora"/> the checkpoints are adapters in PEFT's layout. <see cref="RunOptions.Dropout"/>, none by default, applies to the updates alone, and
    /// ratios then begin near 1 instead of at 1.
    /// </summary>
    public RunOptions Run { get; init; } = new();

    /// <summary>
    /// How the fitted transformer generates, and what prompts are in training and after it: <see cref="GenerateTextOptions.PromptForm"/>, <see cref="GenerateTextOptions.SpecialTokens"/> and
    /// <see cref="GenerationOptions.StopTokenIds"/> hold for rollouts as well; the rest is the transformer's.
    /// </summary>
    public GenerateTextOptions Generation { get; init; } = new();

    /// <summary><see cref="Optimizer"/>, or the defaults that it tells of.</summary>
    internal AdamWOptions OptimizerInUse => Optimizer ?? AdamWOptions.FineTuning with { LearningRate = Lora is null ? 3e-6 : 5e-5 };

    /// <summary><see cref="RunOptions.Dropout"/>, or none.</summary>
    internal DropoutOptions DropoutInUse => Run.Dropout ?? DropoutOptions.None;

    internal PpoOptions PpoInUse => Ppo ?? new();

    internal GrpoOptions GrpoInUse => Grpo ?? new();

    /// <summary>K.</summary>
    internal int SamplesPerPrompt => Rollout.SamplesPerPrompt ?? Algorithm switch { PolicyAlgorithm.Grpo => 8, PolicyAlgorithm.Rloo => 2, _ => 1 };

    /// <summary>β at first.</summary>
    internal double KlCoefficient => Kl.Coefficient ?? Algorithm switch { PolicyAlgorithm.Grpo => 0.04, PolicyAlgorithm.Rloo => 0.05, _ => 0.02 };

    /// <summary>Whether the penalty is part of the reward.</summary>
    internal bool KlInReward => Kl.InReward ?? Algorithm != PolicyAlgorithm.Grpo;

    /// <summary>The responses of a rollout.</summary>
    internal int RolloutSize => BatchSize * Rollout.Minibatches;

    /// <summary>The updates that a rollout is used for.</summary>
    internal int UpdatesPerRollout => Rollout.Minibatches * Rollout.InnerEpochs;

    /// <summary>The rollouts of the whole run.</summary>
    /// <param name="prompts">How many prompts there are.</param>
    /// <exception cref="ArgumentOutOfRangeException">They have more updates than a run can count.</exception>
    internal int RolloutCount(int prompts)
    {
        long episodes = Episodes ?? ((long)prompts * SamplesPerPrompt), rollouts = (episodes / RolloutSize) + (episodes % RolloutSize > 0 ? 1 : 0);
        return rollouts <= int.MaxValue / UpdatesPerRollout ? (int)rollouts
            : throw new ArgumentOutOfRangeException(nameof(Episodes), episodes, FormattableString.Invariant(
                $"{nameof(Episodes)} is {episodes:N0}, which is {rollouts:N0} rollouts of {RolloutSize:N0} responses and {UpdatesPerRollout:N0} updates, of which a run counts {int.MaxValue:N0} at most; lower it."));
    }

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">A value is outside its range, or two do not fit together.</exception>
    public PolicyOptimizationOptions Validate()
    {
        if (Pretrained is null)
            throw new ArgumentException("Pretrained is not set; give the policy to begin with: a GptModel on TorchSharp, or the path of its checkpoint folder.", nameof(Pretrained));
        ArgumentNullException.ThrowIfNull(Reward);
        ArgumentNullException.ThrowIfNull(Rollout);
        ArgumentNullException.ThrowIfNull(Kl);
        ArgumentNullException.ThrowIfNull(Evaluation);
        ArgumentNullException.ThrowIfNull(Run);
        ArgumentNullException.ThrowIfNull(Generation);
        OptionCheck.Defined(Algorithm, nameof(Algorithm));
        Reward.Validate();
        Rollout.Validate();
        Kl.Validate();
        Ppo?.Validate();
        Grpo?.Validate();
        PretrainingMix?.Validate();
        ChatTemplate?.Validate();
        Lora?.Validate();
        Optimizer?.Validate();
        Evaluation.Validate();
        Run.Validate();
        Generation.Validate();
        OptionCheck.AtLeast(1, BatchSize, nameof(BatchSize));
        OptionCheck.Require(Episodes is not { } episodes || episodes >= 1, Episodes, nameof(Episodes), "1 or more, or null for one pass over the prompts");
        OptionCheck.Require(ClipRange is > 0 and < 1, ClipRange, nameof(ClipRange), "above 0 and below 1");
        OptionCheck.Require(ClipRangeHigh is not { } high || (high > 0 && double.IsFinite(high)), ClipRangeHigh, nameof(ClipRangeHigh), "above 0 and finite, or null for ClipRange");
        OptionCheck.Require(DualClip is not { } bound || (bound > 1 && double.IsFinite(bound)), DualClip, nameof(DualClip), "above 1 and finite, or null for none");
        OptionCheck.Require(EntropyCoefficient >= 0 && double.IsFinite(EntropyCoefficient), EntropyCoefficient, nameof(EntropyCoefficient), "0 or more and finite (0 switches it off)");
        if (Ppo is not null && Algorithm != PolicyAlgorithm.Ppo) throw new ArgumentException($"Ppo is set and Algorithm is {Algorithm}, which reads none of it; leave it null.", nameof(Ppo));
        if (Grpo is not null && Algorithm != PolicyAlgorithm.Grpo) throw new ArgumentException($"Grpo is set and Algorithm is {Algorithm}, which reads none of it; leave it null.", nameof(Grpo));
        if (Kl.InReward == false && Algorithm != PolicyAlgorithm.Grpo) throw new ArgumentException($"Kl.InReward is false and Algorithm is {Algorithm}, whose penalty is part of the reward; leave it null.", nameof(Kl));
        if (Kl.Target is not null && KlCoefficient == 0) throw new ArgumentException("Kl.Target is set and Kl.Coefficient is 0, which no factor makes larger; give the coefficient to begin with.", nameof(Kl));
        if (Lora is not null && Reference is not null) throw new ArgumentException("Reference is set and Lora too, whose reference is the policy's own weights without the adapter; leave one null.", nameof(Reference));
        if (SamplesPerPrompt < 2 && Algorithm != PolicyAlgorithm.Ppo)
            throw new ArgumentException($"Rollout.SamplesPerPrompt is {SamplesPerPrompt}, and {Algorithm} compares the responses to a prompt; give 2 or more.", nameof(Rollout));
        RequireCountable(BatchSize, Rollout.Minibatches, $"{nameof(BatchSize)} times {nameof(Rollout)}.{nameof(Rollout.Minibatches)}, the responses of a rollout");
        RequireCountable(Rollout.Minibatches, Rollout.InnerEpochs, $"{nameof(Rollout)}.{nameof(Rollout.Minibatches)} times {nameof(Rollout.InnerEpochs)}, the updates of a rollout");
        if (RolloutSize % SamplesPerPrompt != 0)
            throw new ArgumentException($"A rollout has {BatchSize} × {Rollout.Minibatches} = {RolloutSize} responses, which {SamplesPerPrompt} to a prompt do not divide; choose BatchSize or SamplesPerPrompt so that they do.", nameof(BatchSize));
        if (!Generation.StopAtEndOfText) throw new ArgumentException("Generation.StopAtEndOfText is false, and a response ends with a token that generation has to stop at; leave it true.", nameof(Generation));
        if (ChatTemplate is not null && Generation.PromptForm != PromptForm.Conversation)
            throw new ArgumentException("ChatTemplate is set, and the prompts are texts, which need none; leave it null, or set Generation.PromptForm to Conversation.", nameof(ChatTemplate));
        return this;
    }

    private static void RequireCountable(int one, int other, string what)
    {
        if ((long)one * other > int.MaxValue)
            throw new ArgumentException(FormattableString.Invariant($"{one} × {other} = {(long)one * other:N0} is more than can be counted ({int.MaxValue:N0}): {what}. Lower one of the two."), nameof(BatchSize));
    }

    /// <summary>The settings of a run.</summary>
    /// <param name="maxSteps">The updates of the whole run.</param>
    /// <param name="interval">Those of a pass over the prompts.</param>
    /// <param name="evaluates">Whether there is a validation set.</param>
    internal RunSettings Settings(int maxSteps, int interval, bool evaluates) =>
        RunSettings.Of(Run, Evaluation, OptimizerInUse, maxSteps, interval, returnBest: Evaluation.EarlyStoppingPatience > 0, evaluates, "loss of an update; validation: −(score − β·KL)", isLanguageModel: false);
}
