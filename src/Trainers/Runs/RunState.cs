using System.Text.Json.Serialization;

namespace MLNet.Gpt;

/// <summary>The numbers of a run under way that a checkpoint stores beside the tensors. What a kind of run has no use for stays at its default.</summary>
internal sealed record RunState
{
    /// <summary>Updates made, skipped ones included.</summary>
    public int Step { get; init; }

    /// <summary>Pretraining: where the next row begins. Elsewhere the place in the data follows from <see cref="Step"/>.</summary>
    public BatchPosition Position { get; init; }

    /// <summary>Pretraining: the parts already used of the row before <see cref="Position"/>; 0 where it is used up.</summary>
    public int RowPart { get; init; }

    /// <summary>Tokens trained on, as reports tell them.</summary>
    public long Tokens { get; init; }

    /// <summary>The updates made when the last report was written.</summary>
    public int ReportedStep { get; init; }

    /// <summary>The updates made at the last evaluation; -1 before the first.</summary>
    public int EvaluatedStep { get; init; } = -1;

    /// <summary>The rate of the last update.</summary>
    public double LearningRate { get; init; }

    /// <summary>The gradient's norm at the last update, before clipping.</summary>
    public double GradientNorm { get; init; }

    /// <summary>The training losses since the last report, weighted and summed.</summary>
    public double LossSum { get; init; }

    /// <summary>The weights of <see cref="LossSum"/>: 1 an update in language-model training, those of the examples in a supervised task.</summary>
    [JsonPropertyName("loss_steps")]
    public double LossWeight { get; init; }

    /// <summary>The auxiliary losses since the last report, weighted and summed.</summary>
    public double AuxiliaryLossSum { get; init; }

    /// <summary>The weights of <see cref="AuxiliaryLossSum"/>.</summary>
    public double AuxiliaryLossWeight { get; init; }

    /// <summary>What was measured besides since the last report, by name.</summary>
    public IReadOnlyDictionary<string, MetricSum> Metrics { get; init; } = new Dictionary<string, MetricSum>();

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

    /// <summary>The evaluations since it was lowest.</summary>
    public int EvaluationsSinceBest { get; init; }

    /// <summary>Policy optimisation: what it carries from rollout to rollout.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PolicyState? Policy { get; init; }

    /// <summary>Updates left out because the loss or the gradient was not finite.</summary>
    public int SkippedUpdates { get; init; }

    /// <summary>Those since the last update that was made.</summary>
    public int SkippedInARow { get; init; }
}
