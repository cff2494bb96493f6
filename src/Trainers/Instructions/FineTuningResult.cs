namespace MLNet.Gpt;

/// <summary>How a fine-tuning run went.</summary>
/// <param name="History">Every report, in order.</param>
/// <param name="Steps">Updates made, those of the resumed run included.</param>
/// <param name="Examples">The examples trained on.</param>
/// <param name="ValidationExamples">The examples validated on.</param>
/// <param name="TruncatedExamples">The examples of both sets that were cut to the context.</param>
/// <param name="LeftOutExamples">The examples of both sets that did not fit and were left out.</param>
/// <param name="TrainedParameters">The numbers that training changed.</param>
/// <param name="TrainingLoss">The training loss of the last report, nats per completion token.</param>
/// <param name="ValidationLoss">The last validation loss, nats per completion token, or null without one.</param>
/// <param name="BestValidationLoss">The lowest validation loss, or null where none was finite.</param>
/// <param name="BestStep">The updates made when it was lowest; 0 where none was finite.</param>
/// <param name="StoppedEarly">Whether early stopping ended the run.</param>
/// <param name="Cancelled">Whether the cancellation token ended the run.</param>
/// <param name="SkippedUpdates">Updates left out because the gradient was not finite.</param>
public sealed record FineTuningResult(
    IReadOnlyList<TrainingProgress> History,
    int Steps,
    int Examples,
    int ValidationExamples,
    int TruncatedExamples,
    int LeftOutExamples,
    long TrainedParameters,
    double TrainingLoss,
    double? ValidationLoss,
    double? BestValidationLoss,
    int BestStep,
    bool StoppedEarly,
    bool Cancelled,
    int SkippedUpdates)
{
    /// <summary>The folder of the last checkpoint, which <see cref="RunOptions.Resume"/> continues from; null without a run folder.</summary>
    public string? LastCheckpoint { get; init; }

    /// <summary>The folder of the checkpoint of the best evaluation; null where there is none.</summary>
    public string? BestCheckpoint { get; init; }
}
