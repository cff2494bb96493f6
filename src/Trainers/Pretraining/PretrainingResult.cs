namespace MLNet.Gpt;

/// <summary>How a training run went.</summary>
/// <param name="History">Every report, in order.</param>
/// <param name="Steps">Updates made, those of the resumed run included.</param>
/// <param name="TrainingLoss">The training loss of the last report, nats per token.</param>
/// <param name="ValidationLoss">The last validation loss, or null without one.</param>
/// <param name="BestValidationLoss">The lowest validation loss, or null where none was finite.</param>
/// <param name="BestStep">The updates made when it was lowest; 0 where none was finite.</param>
/// <param name="Cancelled">Whether the cancellation token ended the run.</param>
/// <param name="SkippedUpdates">Updates left out because the gradient was not finite.</param>
public sealed record PretrainingResult(
    IReadOnlyList<TrainingProgress> History,
    int Steps,
    double TrainingLoss,
    double? ValidationLoss,
    double? BestValidationLoss,
    int BestStep,
    bool Cancelled,
    int SkippedUpdates)
{
    /// <summary>The folder of the last checkpoint, which <see cref="RunOptions.Resume"/> continues from; null without a run folder.</summary>
    public string? LastCheckpoint { get; init; }

    /// <summary>The folder of the checkpoint of the best evaluation; null where there is none.</summary>
    public string? BestCheckpoint { get; init; }
}
