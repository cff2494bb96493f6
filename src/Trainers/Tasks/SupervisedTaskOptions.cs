using System.Globalization;

namespace MLNet.Gpt;

/// <summary>How a GPT is fine-tuned for one of GPT-1's supervised tasks. The defaults are the paper's (Radford et al. 2018, sections 3.2 and 4.1).</summary>
/// <remarks>Immutable. Checked once, when the trainer is created.</remarks>
public sealed record SupervisedTaskOptions
{
    private readonly double? _auxiliaryLossWeight;

    /// <summary>
    /// The pretrained model to begin with: one on TorchSharp, such as <see cref="GptLanguageModelTransformer.Model"/>, or the path of a checkpoint folder. Null (the
    /// default) only with <see cref="Model"/>.
    /// </summary>
    public PretrainedModel? Pretrained { get; init; }

    /// <summary>
    /// The shape to train from scratch, with a <see cref="Tokenizer"/>, where no pretrained model is given; the log warns, since that needs far more
    /// labelled text. Null (the default) with a pretrained model.
    /// </summary>
    public GptConfig? Model { get; init; }

    /// <summary>The tokenizer of a model from scratch; a pretrained one has its own.</summary>
    public GptTokenizer? Tokenizer { get; init; }

    /// <summary>
    /// Trains a LoRA adapter, the head and the new tokens' embeddings, and leaves the pretrained weights as they are. Null (the default) trains all weights. The trained
    /// model has the adapter merged.
    /// </summary>
    public LoraOptions? Lora { get; init; }

    /// <summary>
    /// Which weights stay as they are: with <see cref="FrozenWeights.Pretrained"/> the head and the new tokens' embeddings are trained, with <see cref="FrozenWeights.AllButHead"/> the head alone. The network then computes
    /// as it does in use, without dropout, and models that were trained so over one pretrained model share its weights, in memory and in a package (<see cref="OnnxExportOptions.Heads"/>). Default
    /// <see cref="FrozenWeights.None"/>. Not with <see cref="Lora"/>, a model from scratch, an auxiliary loss or <see cref="RunOptions.Dropout"/>.
    /// </summary>
    public FrozenWeights Freeze { get; init; }

    /// <summary>Passes over the training set, 1 or more. Default 3 (section 4.1).</summary>
    public int Epochs { get; init; } = 3;

    /// <summary>Examples in one update, 1 or more. Default 32 (section 4.1).</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>
    /// The most examples computed at once; gradients are accumulated over the rest of the batch. A number, <see cref="MicroBatchSize.WholeBatch"/> (the default) or
    /// <see cref="MicroBatchSize.Auto"/>, the largest divisor of <see cref="BatchSize"/> that fits the memory.
    /// </summary>
    public MicroBatchSize MicroBatchSize { get; init; }

    /// <summary>
    /// Batches are cut from this many batches' worth of shuffled examples after sorting them by length, so that little is padded; the batches come in random order. 1
    /// switches sorting off. Default 32.
    /// </summary>
    public int LengthBucketBatches { get; init; } = 32;

    /// <summary>Learning rate, warm-up, weight decay and clipping. Default: the paper's; with <see cref="Freeze"/> a rate of 1e-3, since a head begins at random numbers.</summary>
    public TaskOptimizerOptions Optimizer
    {
        get => field ?? (Freeze == FrozenWeights.None ? new() : new() { LearningRate = FrozenWeightsRules.LearningRate });
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            field = value;
        }
    }

    /// <summary>
    /// λ: the weight of the auxiliary language-model loss on the examples' own texts (equation 5), 0 or more. Default 0.5 (section 4.1). 0 switches it off: nothing
    /// of it is computed. It trains the network, so that with <see cref="Freeze"/> the default, and the only value, is 0.
    /// </summary>
    public double AuxiliaryLossWeight
    {
        get => _auxiliaryLossWeight ?? (Freeze == FrozenWeights.None ? 0.5 : 0);
        init => _auxiliaryLossWeight = value;
    }

    /// <summary>Dropout before the linear head, in [0, 1). Default 0.1 (section 4.1).</summary>
    public float ClassifierDropout { get; init; } = 0.1f;

    /// <summary>
    /// A weight for each class in the order of the label's keys, 0 or more: the loss of an example counts that much, over the sum of the batch's weights. Null
    /// (the default) means 1 for each.
    /// </summary>
    public IReadOnlyList<double>? ClassWeights { get; init; }

    /// <summary>Weighs each class by (examples) / (classes × examples of the class), so that rare classes count as much as common ones. Default false. Not with <see cref="ClassWeights"/>.</summary>
    public bool BalanceClasses { get; init; }

    /// <summary>Which part of a text stays where it does not fit the context; the log counts them. Default <see cref="TextTruncation.Head"/>.</summary>
    public TextTruncation Truncation { get; init; } = TextTruncation.Head;

    /// <summary>What a special token's text in a text means. Default <see cref="SpecialTokenHandling.AsText"/>: the texts are data, not markup.</summary>
    public SpecialTokenHandling SpecialTokens { get; init; } = SpecialTokenHandling.AsText;

    /// <summary>What is validated on, how often, and what follows. By default nothing is held out; with a validation set, after each epoch, and the best weights are returned.</summary>
    public EvaluationOptions Evaluation { get; init; } = new();

    /// <summary>
    /// Device and number format, folder and reports, stopping and resuming. The folder gets <c>confusion.svg</c> (with a validation set of classes) and the trained
    /// model as an ONNX package (<c>model</c>) too.
    /// </summary>
    public RunOptions Run { get; init; } = new();

    /// <summary>The names of the columns that the trained transformer adds beside the scores, and how it batches.</summary>
    public ClassifyTextOptions Scoring { get; init; } = new();

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">A value is outside its range, or two do not fit together.</exception>
    public SupervisedTaskOptions Validate()
    {
        ArgumentNullException.ThrowIfNull(Evaluation);
        ArgumentNullException.ThrowIfNull(Run);
        ArgumentNullException.ThrowIfNull(Scoring);
        Optimizer.Validate();
        Evaluation.Validate();
        Run.Validate();
        Scoring.Validate();
        Lora?.Validate();
        Model?.Validate();
        OptionCheck.AtLeast(1, Epochs, nameof(Epochs));
        OptionCheck.AtLeast(1, BatchSize, nameof(BatchSize));
        OptionCheck.AtLeast(1, LengthBucketBatches, nameof(LengthBucketBatches));
        OptionCheck.Require(AuxiliaryLossWeight >= 0 && double.IsFinite(AuxiliaryLossWeight), AuxiliaryLossWeight, nameof(AuxiliaryLossWeight), "0 or more (0 switches it off)");
        OptionCheck.Require(ClassifierDropout is >= 0 and < 1, ClassifierDropout, nameof(ClassifierDropout), "at least 0 and below 1 (0 switches it off)");
        OptionCheck.Defined(Truncation, nameof(Truncation));
        OptionCheck.Defined(SpecialTokens, nameof(SpecialTokens));
        if ((Pretrained is null) == (Model is null))
            throw new ArgumentException($"{(Model is null ? "Neither" : "Both")} of {nameof(Pretrained)} and {nameof(Model)} {(Model is null ? "is" : "are")} set; set one: a model to begin with, or a shape to train from scratch.", nameof(Pretrained));
        if ((Model is null) != (Tokenizer is null))
            throw new ArgumentException($"{nameof(Model)} and {nameof(Tokenizer)} go together: a model from scratch needs both, a pretrained one has its own of both.", nameof(Tokenizer));
        if (Model is not null && Tokenizer!.VocabularySize > Model.VocabularySize)
            throw new ArgumentException($"The tokenizer has {Tokenizer.VocabularySize} tokens and the model a vocabulary of {Model.VocabularySize}; set Model.VocabularySize to {Tokenizer.VocabularySize} or more.", nameof(Model));
        if (Lora is not null && Model is not null)
            throw new ArgumentException($"{nameof(Lora)} adapts a pretrained model; a model from scratch has nothing to adapt.", nameof(Lora));
        FrozenWeightsRules.Check(Freeze, Lora, Run, hasTokens: true);
        if (Freeze != FrozenWeights.None && Model is not null)
            throw new ArgumentException($"{nameof(Freeze)} is {Freeze}, and {nameof(Model)} is a model from scratch, which would stay as it was drawn; set {nameof(Pretrained)} instead.", nameof(Freeze));
        if (Freeze != FrozenWeights.None && AuxiliaryLossWeight != 0)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"{nameof(Freeze)} is {Freeze}, and {nameof(AuxiliaryLossWeight)} is {AuxiliaryLossWeight}; the auxiliary loss trains the network's weights, which are frozen: set it to 0, or leave it out."), nameof(AuxiliaryLossWeight));
        if (ClassWeights is not null && BalanceClasses)
            throw new ArgumentException($"{nameof(ClassWeights)} is set, and {nameof(BalanceClasses)} is true; set one of the two.", nameof(ClassWeights));
        if (ClassWeights is not null && !(ClassWeights.All(static weight => weight >= 0 && double.IsFinite(weight)) && ClassWeights.Any(static weight => weight > 0)))
            throw new ArgumentException($"{nameof(ClassWeights)} is {string.Join(", ", ClassWeights.Select(static weight => weight.ToString(CultureInfo.InvariantCulture)))}; the weights must be 0 or more and finite, and one of them above 0.", nameof(ClassWeights));
        return this;
    }

    /// <summary><see cref="RunOptions.Dropout"/>, or GPT-1's (Radford et al. 2018, section 4.1); none in a frozen network.</summary>
    internal DropoutOptions DropoutInUse => Run.Dropout ?? (Freeze == FrozenWeights.None ? DropoutOptions.Everywhere(0.1f) : DropoutOptions.None);

    /// <summary>The settings of a run.</summary>
    /// <param name="maxSteps">The updates of the whole run.</param>
    /// <param name="stepsPerEpoch">Those of an epoch.</param>
    /// <param name="evaluates">Whether there is a validation set.</param>
    internal RunSettings Settings(int maxSteps, int stepsPerEpoch, bool evaluates) =>
        RunSettings.Of(Run, Evaluation, Optimizer.ToAdamW(), maxSteps, stepsPerEpoch, returnBest: true, evaluates, "loss of an example", isLanguageModel: false);
}
