namespace MLNet.Gpt;

/// <summary>How a supervised run went.</summary>
/// <param name="History">Every report, in order.</param>
/// <param name="Steps">Updates made, those of the resumed run included.</param>
/// <param name="ValidationLoss">The validation loss of the weights that were returned; null without a validation set.</param>
/// <param name="ValidationAccuracy">The share of all validation rows that they get right; null without one, or for a regression.</param>
/// <param name="BestStep">The updates made when the validation loss was lowest; 0 where none was finite, or without a validation set.</param>
/// <param name="StoppedEarly">Whether <see cref="EvaluationOptions.EarlyStoppingPatience"/> ended the run.</param>
/// <param name="Cancelled">Whether the cancellation token ended the run.</param>
/// <param name="SkippedUpdates">Updates left out because the gradient was not finite.</param>
/// <param name="TrainingData">What was found in the training rows.</param>
/// <param name="ValidationData">What was found in the validation rows; null without a validation set.</param>
/// <param name="TrainedParameters">The numbers that were trained.</param>
/// <param name="TotalParameters">All numbers of the model.</param>
public sealed record SupervisedTaskResult(
    IReadOnlyList<TrainingProgress> History,
    int Steps,
    double? ValidationLoss,
    double? ValidationAccuracy,
    int BestStep,
    bool StoppedEarly,
    bool Cancelled,
    int SkippedUpdates,
    SupervisedDataReport TrainingData,
    SupervisedDataReport? ValidationData,
    long TrainedParameters,
    long TotalParameters)
{
    /// <summary>The folder of the last checkpoint, which <see cref="RunOptions.Resume"/> continues from; null without a run folder.</summary>
    public string? LastCheckpoint { get; init; }

    /// <summary>The folder of the checkpoint of the best evaluation; null where there is none.</summary>
    public string? BestCheckpoint { get; init; }
}
