namespace MLNet.Gpt;

/// <summary>How a reward model's run went.</summary>
/// <param name="History">Every report, in order.</param>
/// <param name="Steps">Updates made, those of the resumed run included.</param>
/// <param name="Prompts">The prompts trained on.</param>
/// <param name="Responses">Their responses.</param>
/// <param name="ValidationPrompts">The prompts validated on.</param>
/// <param name="TruncatedResponses">The responses of both sets whose prompt was cut to the context.</param>
/// <param name="TrainedParameters">The numbers that training changed.</param>
/// <param name="TotalParameters">All numbers of the model.</param>
/// <param name="Validation">How the returned model agrees with the validation set's grades; null without one, and after a cancellation.</param>
/// <param name="LengthAccuracy">
/// The pair accuracy on the validation set of the responses' lengths alone: of "the longer the better" or the contrary, whichever holds more often in the training set.
/// Null without a validation set. A reward model that is not well above it may have learnt to count.
/// </param>
/// <param name="Shift">What was added to all rewards at the end: <see cref="RewardModelOptions.References"/>; 0 after a cancellation.</param>
/// <param name="BestStep">The updates made when the validation loss was lowest; 0 where none was finite, or without a validation set.</param>
/// <param name="StoppedEarly">Whether early stopping ended the run.</param>
/// <param name="Cancelled">Whether the cancellation token ended the run.</param>
/// <param name="SkippedUpdates">Updates left out because the gradient was not finite.</param>
public sealed record RewardModelResult(
    IReadOnlyList<TrainingProgress> History,
    int Steps,
    int Prompts,
    int Responses,
    int ValidationPrompts,
    int TruncatedResponses,
    long TrainedParameters,
    long TotalParameters,
    PreferenceMetrics? Validation,
    double? LengthAccuracy,
    double Shift,
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
