namespace MLNet.Gpt;

/// <summary>How a direct preference run went.</summary>
/// <param name="History">Every report, in order.</param>
/// <param name="Steps">Updates made, those of the resumed run included.</param>
/// <param name="Pairs">The pairs trained on.</param>
/// <param name="ValidationPairs">The pairs validated on.</param>
/// <param name="TruncatedPairs">The pairs of both sets whose prompt was cut to the context.</param>
/// <param name="TrainedParameters">The numbers that training changed.</param>
/// <param name="Validation">
/// How the returned model's implied rewards β·(log π − log π_ref) agree with the validation set's choices (Rafailov et al. 2023, equation 5); null without one, and after a cancellation.
/// </param>
/// <param name="ReferenceAccuracy">The share of the validation pairs whose chosen response is the likelier one by the policy as it was before; null without a validation set.</param>
/// <param name="LengthAccuracy">
/// The same of the responses' lengths alone: of "the longer the better" or the contrary, whichever holds more often in the training set. A policy that is not well above it may have learnt
/// to write at length. Null without a validation set.
/// </param>
/// <param name="BestStep">The updates made when the validation loss was lowest; 0 where none was finite, or without a validation set.</param>
/// <param name="StoppedEarly">Whether early stopping ended the run.</param>
/// <param name="Cancelled">Whether the cancellation token ended the run.</param>
/// <param name="SkippedUpdates">Updates left out because the gradient was not finite.</param>
public sealed record DirectPreferenceResult(
    IReadOnlyList<TrainingProgress> History,
    int Steps,
    int Pairs,
    int ValidationPairs,
    int TruncatedPairs,
    long TrainedParameters,
    PreferenceMetrics? Validation,
    double? ReferenceAccuracy,
    double? LengthAccuracy,
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
