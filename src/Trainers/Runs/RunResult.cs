namespace MLNet.Gpt;

/// <summary>What a run leaves, beside the weights.</summary>
/// <param name="State">Where it stands.</param>
/// <param name="History">Every report, in order.</param>
/// <param name="StoppedEarly">Whether early stopping ended it.</param>
/// <param name="Cancelled">Whether it was cancelled.</param>
/// <param name="IsBest">Whether the weights are those of the best evaluation, not the last ones.</param>
/// <param name="LastCheckpoint">The checkpoint of the last state; null without a folder.</param>
/// <param name="BestCheckpoint">The checkpoint of the best evaluation; null where there is none.</param>
internal sealed record RunResult(
    RunState State, IReadOnlyList<TrainingProgress> History, bool StoppedEarly, bool Cancelled, bool IsBest, string? LastCheckpoint, string? BestCheckpoint)
{
    /// <summary>The training loss of the last report, which is of the updates since the one before.</summary>
    public double TrainingLoss => History.Count > 0 ? History[^1].Loss : double.NaN;
}
