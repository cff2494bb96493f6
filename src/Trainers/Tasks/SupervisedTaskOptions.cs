namespace MLNet.Gpt;

/// <summary>How a GPT is fine-tuned for one of GPT-1's supervised tasks. The defaults are the paper's (Radford et al. 2018, sections 3.2 and 4.1).</summary>
/// <remarks>Immutable. Checked once, when the trainer is created.</remarks>
public sealed record SupervisedTaskOptions
{
    /// <summary>
    /// The pretrained model to begin with: <c>transformer.Model</c> of a fitted language model, or <c>GptModel.FromCheckpoint</c>. It is read, never
    /// changed, and stays the caller's. It must run on TorchSharp.
    /// </summary>
    public GptModel? Pretrained { get; init; }

    /// <summary>The checkpoint folder of the pretrained model, as another way to name it: Hugging Face's GPT-1 or GPT-2 layout with its tokenizer.</summary>
    public string? PretrainedFolder { get; init; }

    /// <summary>
    /// The shape to train from scratch, with a <see cref="Tokenizer"/>, where no pretrained model is given; the log warns, since that needs far more
    /// labelled text. Null (the default) with a pretrained model.
    /// </summary>
    public GptConfig? Model { get; init; }

    /// <summary>The tokenizer of a model from scratch; a pretrained one has its own.</summary>
    public GptTokenizer? Tokenizer { get; init; }

    /// <summary>Passes over the training set, 1 or more. Default 3 (section 4.1).</summary>
    public int Epochs { get; init; } = 3;

    /// <summary>Examples in one update, 1 or more. Default 32 (section 4.1).</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>The most examples computed at once, 1 or more; gradients are accumulated over the rest of the batch. Null (the default) means all of it.</summary>
    public int? MicroBatchSize { get; init; }

    /// <summary>The learning rate after the warm-up, above 0; it falls linearly to 0 from there. Default 6.25e-5 (section 4.1); a small model takes more, 1e-4 to 1e-3.</summary>
    public double LearningRate { get; init; } = 6.25e-5;

    /// <summary>The share of the updates over which the rate rises linearly from 0, in [0, 1). Default 0.002 (section 4.1).</summary>
    public double WarmupFraction { get; init; } = 0.002;

    /// <summary>Decoupled weight decay on matrices, 0 or more. Default 0.01 (section 4.1).</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>The largest Euclidean norm of the gradient, over all that is trained; 0 switches clipping off. Default 1.</summary>
    public double GradientClipNorm { get; init; } = 1;

    /// <summary>
    /// λ: the weight of the auxiliary language-model loss on the examples' own texts (equation 5), 0 or more. Default 0.5 (section 4.1). 0 switches it off: nothing
    /// of it is computed.
    /// </summary>
    public double AuxiliaryLossWeight { get; init; } = 0.5;

    /// <summary>Dropout of the network (embeddings, attention, residuals), in [0, 1). Default 0.1 (section 4.1); null keeps the pretrained model's own.</summary>
    public float? Dropout { get; init; } = 0.1f;

    /// <summary>Dropout before the linear head, in [0, 1). Default 0.1 (section 4.1).</summary>
    public float ClassifierDropout { get; init; } = 0.1f;

    /// <summary>
    /// Trains a LoRA adapter, the head and the new tokens' embeddings, and leaves the pretrained weights as they are. Null (the default) trains all weights. The trained
    /// model has the adapter merged.
    /// </summary>
    public LoraOptions? Lora { get; init; }

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

    /// <summary>The number format of the forward and backward passes. Default <see cref="GptPrecision.Auto"/>. The trained model computes in float32.</summary>
    public GptPrecision Precision { get; init; } = GptPrecision.Auto;

    /// <summary>The share of each class held out for validation, in [0, 1). Default 0: none. Not read when a validation set is given to Fit.</summary>
    public double ValidationFraction { get; init; }

    /// <summary>Evaluations in each epoch, evenly spread, the last one at its end; 1 or more. Default 1. Read only where there is a validation set.</summary>
    public int EvaluationsPerEpoch { get; init; } = 1;

    /// <summary>Ends training after this many evaluations in a row without a lower validation loss; null (the default) never does. Needs a validation set.</summary>
    public int? EarlyStoppingPatience { get; init; }

    /// <summary>True (the default) returns the weights of the lowest validation loss, false those of the last update. The same where there is no validation set.</summary>
    public bool ReturnBest { get; init; } = true;

    /// <summary>
    /// Batches are cut from this many batches' worth of shuffled examples after sorting them by length, so that little is padded; the batches come in random order. 1
    /// switches sorting off. Default 32.
    /// </summary>
    public int LengthBucketBatches { get; init; } = 32;

    /// <summary>Updates between reports, 1 or more. Default 10.</summary>
    public int LogInterval { get; init; } = 10;

    /// <summary>Updates in a row that are skipped because the gradient is not finite, before the run stops with a <see cref="TrainingDivergedException"/>; 0 stops at the first. Default 10.</summary>
    public int MaxSkippedUpdates { get; init; } = 10;

    /// <summary>
    /// Where <c>metrics.jsonl</c>, <c>loss.svg</c>, <c>confusion.svg</c> (with a validation set) and the trained model as an ONNX package (<c>model</c>) go; null (the
    /// default) writes nothing.
    /// </summary>
    public string? RunFolder { get; init; }

    /// <summary>Seeds the new weights, the order of the examples and dropout. Null (the default) means the MLContext's seed, or 0 without one.</summary>
    public int? Seed { get; init; }

    /// <summary>Where to train; null (the default) follows <c>MLContext.GpuDeviceId</c> and <c>FallbackToCpu</c>, and without them takes a CUDA GPU where there is one.</summary>
    public GptDevice? Device { get; init; }

    /// <summary>The names of the columns that the trained transformer adds beside the scores, and how it batches.</summary>
    public ClassifyTextOptions Scoring { get; init; } = new();

    /// <summary>Called with every report, on the training thread; null (the default) for none. Reports go to MLContext's log in any case.</summary>
    public Action<SupervisedTaskProgress>? Progress { get; init; }

    /// <summary>Ends the run after the update under way; Fit then returns the model as far as it got.</summary>
    public CancellationToken CancellationToken { get; init; }

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">A value is outside its range, or two do not fit together.</exception>
    public SupervisedTaskOptions Validate()
    {
        ArgumentNullException.ThrowIfNull(Scoring);
        Scoring.Validate();
        AtLeast(1, Epochs, nameof(Epochs));
        AtLeast(1, BatchSize, nameof(BatchSize));
        AtLeast(1, MicroBatchSize ?? 1, nameof(MicroBatchSize));
        AtLeast(1, EvaluationsPerEpoch, nameof(EvaluationsPerEpoch));
        AtLeast(1, EarlyStoppingPatience ?? 1, nameof(EarlyStoppingPatience));
        AtLeast(1, LengthBucketBatches, nameof(LengthBucketBatches));
        AtLeast(1, LogInterval, nameof(LogInterval));
        AtLeast(0, MaxSkippedUpdates, nameof(MaxSkippedUpdates));
        Check(LearningRate > 0 && double.IsFinite(LearningRate), LearningRate, nameof(LearningRate), "above 0 and finite");
        Check(WarmupFraction is >= 0 and < 1, WarmupFraction, nameof(WarmupFraction), "at least 0 and below 1");
        Check(WeightDecay >= 0 && double.IsFinite(WeightDecay), WeightDecay, nameof(WeightDecay), "0 or more");
        Check(GradientClipNorm >= 0, GradientClipNorm, nameof(GradientClipNorm), "0 or more (0 switches it off)");
        Check(AuxiliaryLossWeight >= 0 && double.IsFinite(AuxiliaryLossWeight), AuxiliaryLossWeight, nameof(AuxiliaryLossWeight), "0 or more (0 switches it off)");
        Check(Dropout is not { } dropout || dropout is >= 0 and < 1, Dropout, nameof(Dropout), "at least 0 and below 1 (0 switches it off)");
        Check(ClassifierDropout is >= 0 and < 1, ClassifierDropout, nameof(ClassifierDropout), "at least 0 and below 1 (0 switches it off)");
        Check(ValidationFraction is >= 0 and < 1, ValidationFraction, nameof(ValidationFraction), "at least 0 and below 1 (0 holds nothing out)");
        Check(Enum.IsDefined(Truncation), Truncation, nameof(Truncation), $"one of {string.Join(", ", Enum.GetNames<TextTruncation>())}");
        Check(Enum.IsDefined(SpecialTokens), SpecialTokens, nameof(SpecialTokens), $"one of {string.Join(", ", Enum.GetNames<SpecialTokenHandling>())}");
        Lora?.Validate();
        int sources = (Pretrained is null ? 0 : 1) + (PretrainedFolder is null ? 0 : 1) + (Model is null ? 0 : 1);
        if (sources != 1)
            throw new ArgumentException($"{sources} of {nameof(Pretrained)}, {nameof(PretrainedFolder)} and {nameof(Model)} are set; set one: a model to begin with, its checkpoint folder, or a shape to train from scratch.", nameof(Pretrained));
        if ((Model is null) != (Tokenizer is null))
            throw new ArgumentException($"{nameof(Model)} and {nameof(Tokenizer)} go together: a model from scratch needs both, a pretrained one has its own of both.", nameof(Tokenizer));
        Model?.Validate();
        if (Model is not null && Tokenizer!.VocabularySize > Model.VocabularySize)
            throw new ArgumentException($"The tokenizer has {Tokenizer.VocabularySize} tokens and the model a vocabulary of {Model.VocabularySize}; set Model.VocabularySize to {Tokenizer.VocabularySize} or more.", nameof(Model));
        if (Lora is not null && Model is not null)
            throw new ArgumentException($"{nameof(Lora)} adapts a pretrained model; a model from scratch has nothing to adapt.", nameof(Lora));
        if (ClassWeights is not null && (BalanceClasses || ClassWeights.Any(static weight => !(weight >= 0 && double.IsFinite(weight))) || !ClassWeights.Any(static weight => weight > 0)))
            throw new ArgumentException($"{nameof(ClassWeights)} are 0 or more and finite, not all 0, and not combined with {nameof(BalanceClasses)}.", nameof(ClassWeights));
        if (Pretrained is { Engine: not TorchCausalModel })
            throw new ArgumentException($"The pretrained model runs on {Pretrained.Engine.GetType().Name}; training needs one on TorchSharp. Open its checkpoint folder with {nameof(PretrainedFolder)}.", nameof(Pretrained));
        return this;

        static void AtLeast(int minimum, int value, string name) => Check(value >= minimum, value, name, $"{minimum} or more");

        static void Check(bool ok, object? value, string name, string range)
        {
            if (!ok) throw new ArgumentOutOfRangeException(name, value, FormattableString.Invariant($"{name} is {value}; it must be {range}."));
        }
    }
}
