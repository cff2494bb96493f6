namespace MLNet.Gpt;

/// <summary>The numbers of a fine-tuning run under way that a checkpoint stores beside the tensors. The place in the data follows from <see cref="Step"/>.</summary>
internal sealed record FineTuningState
{
    /// <summary>Updates made, skipped ones included.</summary>
    public int Step { get; init; }

    /// <summary>Tokens with a loss that were trained on.</summary>
    public long Tokens { get; init; }

    /// <summary>The rate of the last update.</summary>
    public double LearningRate { get; init; }

    /// <summary>The gradient's norm at the last update, before clipping.</summary>
    public double GradientNorm { get; init; }

    /// <summary>The training losses since the last report, each the mean of an update's tokens, summed.</summary>
    public double LossSum { get; init; }

    /// <summary>The updates that <see cref="LossSum"/> sums.</summary>
    public int LossSteps { get; init; }

    /// <summary>The updates made when the last report was written; -1 before the first.</summary>
    public int ReportedStep { get; init; } = -1;

    /// <summary>The updates made at the last evaluation; -1 before the first.</summary>
    public int EvaluatedStep { get; init; } = -1;

    /// <summary>The last validation loss.</summary>
    public double? ValidationLoss { get; init; }

    /// <summary>The lowest validation loss.</summary>
    public double? BestValidationLoss { get; init; }

    /// <summary>The updates made when it was lowest.</summary>
    public int BestStep { get; init; }

    /// <summary>The evaluations since it was lowest.</summary>
    public int EvaluationsSinceBest { get; init; }

    /// <summary>Updates left out because the gradient was not finite.</summary>
    public int SkippedUpdates { get; init; }

    /// <summary>Those since the last update that was made.</summary>
    public int SkippedInARow { get; init; }
}
