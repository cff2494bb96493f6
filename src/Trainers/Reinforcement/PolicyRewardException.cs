namespace MLNet.Gpt;

/// <summary>A reward could not be had: a function threw, or gave NaN, an infinity or another number of rewards than there are responses. The run's last state is saved.</summary>
public sealed class PolicyRewardException : GptException
{
    internal PolicyRewardException(string source, PolicyResponse? response, string problem, Exception? innerException = null)
        : base($"The reward '{source}'{(response is null ? "" : FormattableString.Invariant($" of a response to row {response.Row}"))}: {problem} Mend the reward; a run with a folder goes on from its last checkpoint with Resume.", innerException)
    {
        RewardName = source;
        Response = response;
    }

    /// <summary>The reward's <see cref="PolicyReward.Name"/>.</summary>
    public string RewardName { get; }

    /// <summary>The response at fault; null where it is not known.</summary>
    public PolicyResponse? Response { get; }

    /// <summary>The checkpoint that the run can be resumed from; null without a run folder.</summary>
    public string? LastCheckpoint { get; internal set; }
}
