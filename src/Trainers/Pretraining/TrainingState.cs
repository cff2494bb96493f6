namespace MLNet.Gpt;

/// <summary>The numbers of a run under way that a checkpoint stores beside the tensors.</summary>
internal sealed record TrainingState
{
    /// <summary>Updates made.</summary>
    public int Step { get; init; }

    /// <summary>Where the next row begins.</summary>
    public BatchPosition Position { get; init; }

    /// <summary>The parts already used of the row before <see cref="Position"/>; 0 where it is used up.</summary>
    public int RowPart { get; init; }

    /// <summary>The updates made when the last report was written.</summary>
    public int ReportedStep { get; init; }

    /// <summary>The rate of the last update.</summary>
    public double LearningRate { get; init; }

    /// <summary>The gradient's norm at the last update, before clipping.</summary>
    public double GradientNorm { get; init; }

    /// <summary>The training losses since the last report, summed.</summary>
    public double LossSum { get; init; }

    /// <summary>The updates that <see cref="LossSum"/> sums.</summary>
    public int LossSteps { get; init; }

    /// <summary>The losses of the last updates, the oldest first: what a spike is measured against.</summary>
    public IReadOnlyList<double> RecentLosses { get; init; } = [];

    /// <summary>Updates since the last report whose loss was a spike.</summary>
    public int LossSpikes { get; init; }

    /// <summary>The last validation loss.</summary>
    public double? ValidationLoss { get; init; }

    /// <summary>The lowest validation loss.</summary>
    public double? BestValidationLoss { get; init; }

    /// <summary>The updates made when it was lowest.</summary>
    public int BestStep { get; init; }

    /// <summary>Updates left out because the loss or the gradient was not finite.</summary>
    public int SkippedUpdates { get; init; }

    /// <summary>Those since the last update that was made.</summary>
    public int SkippedInARow { get; init; }
}
