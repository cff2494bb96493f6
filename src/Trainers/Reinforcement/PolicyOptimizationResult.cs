namespace MLNet.Gpt;

/// <summary>How a policy's optimisation went.</summary>
/// <param name="History">Every report, in order.</param>
/// <param name="Steps">Updates made, those of the resumed run included.</param>
/// <param name="Rollouts">Rollouts made.</param>
/// <param name="Episodes">Responses drawn.</param>
/// <param name="Prompts">The prompts trained on.</param>
/// <param name="ValidationPrompts">The prompts validated on.</param>
/// <param name="TruncatedPrompts">The prompts of both sets that were cut.</param>
/// <param name="TrainedParameters">The numbers that training changed, the value model's among them.</param>
/// <param name="Score">The mean score of the last rollout, before normalisation.</param>
/// <param name="Kl">The mean KL of the last rollout from the reference, nats a response.</param>
/// <param name="KlCoefficient">β of the last rollout.</param>
/// <param name="ValidationObjective">The last mean score − β·KL of the validation prompts, or null without them.</param>
/// <param name="BestStep">The updates made when that was highest.</param>
/// <param name="StoppedAtKlLimit">Whether <see cref="KlOptions.Limit"/> ended the run.</param>
/// <param name="StoppedEarly">Whether early stopping ended the run.</param>
/// <param name="Cancelled">Whether the cancellation token ended the run.</param>
/// <param name="SkippedUpdates">Updates left out because the gradient was not finite.</param>
public sealed record PolicyOptimizationResult(
    IReadOnlyList<TrainingProgress> History,
    int Steps,
    int Rollouts,
    long Episodes,
    int Prompts,
    int ValidationPrompts,
    int TruncatedPrompts,
    long TrainedParameters,
    double Score,
    double Kl,
    double KlCoefficient,
    double? ValidationObjective,
    int BestStep,
    bool StoppedAtKlLimit,
    bool StoppedEarly,
    bool Cancelled,
    int SkippedUpdates)
{
    /// <summary>The folder of the last checkpoint, which <see cref="RunOptions.Resume"/> continues from; null without a run folder.</summary>
    public string? LastCheckpoint { get; init; }

    /// <summary>The folder of the checkpoint of the best evaluation; null where there is none.</summary>
    public string? BestCheckpoint { get; init; }
}
