namespace MLNet.Gpt;

/// <summary>What a run validates on, how often, and what follows from it.</summary>
/// <remarks>Immutable. Checked with the options that it is a part of.</remarks>
public sealed record EvaluationOptions
{
    /// <summary>
    /// The share of the documents or examples held out for validation, in [0, 1); of a classification's, of each class. 0 holds nothing out. Null (the default) means
    /// 0.1, and 0 in a supervised task and in policy optimisation. Not read when a validation set is given to Fit.
    /// </summary>
    public double? ValidationFraction { get; init; }

    /// <summary>
    /// Updates between evaluations, of which another comes after the last update, and, but in a supervised task, one before the first. 0 switches evaluation off.
    /// Null (the default) means 250 in pretraining, and an epoch elsewhere.
    /// </summary>
    public int? Interval { get; init; }

    /// <summary>The most rows (in pretraining) or examples of the validation set that an evaluation reads, always the same ones, 1 or more; null (the default) means all.</summary>
    public int? MaxRows { get; init; }

    /// <summary>
    /// Evaluations in a row without a new lowest validation loss before training ends; one whose loss is not finite is one of them. 0 (the default) switches early stopping
    /// off. Refused where nothing is held out.
    /// </summary>
    public int EarlyStoppingPatience { get; init; }

    /// <summary>
    /// True returns the weights of the lowest validation loss, false those of the last update. Null (the default) means true; in supervised fine-tuning and policy optimisation only where
    /// early stopping is on: InstructGPT's policies were judged better after 16 epochs though their validation loss rose after the first. A loss that is not finite is never
    /// the lowest; where none was finite, and by default where nothing is held out, the last weights are returned. True is refused where nothing is held out.
    /// </summary>
    public bool? ReturnBest { get; init; }

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">A value is outside its range, or two do not fit together.</exception>
    public EvaluationOptions Validate()
    {
        OptionCheck.Require(ValidationFraction is not { } fraction || fraction is >= 0 and < 1, ValidationFraction, nameof(ValidationFraction), "at least 0 and below 1 (0 holds nothing out)");
        OptionCheck.AtLeast(0, Interval ?? 0, nameof(Interval));
        OptionCheck.AtLeast(1, MaxRows ?? 1, nameof(MaxRows));
        OptionCheck.AtLeast(0, EarlyStoppingPatience, nameof(EarlyStoppingPatience));
        if (Interval == 0 && (EarlyStoppingPatience > 0 || ReturnBest == true))
            throw new ArgumentException("Interval is 0, which switches evaluation off, and early stopping or ReturnBest needs it; leave it null for the trainer's own.", nameof(Interval));
        return this;
    }
}
