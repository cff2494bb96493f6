namespace MLNet.Gpt;

/// <summary>One of several responses that a policy wrote to a prompt, and what a reward model says of it.</summary>
/// <param name="Text">The response.</param>
/// <param name="Reward">Its reward; only differences between responses to the same prompt mean something.</param>
/// <param name="FinishReason">Why it ended.</param>
/// <param name="TokenCount">The tokens generated.</param>
internal sealed record SampledResponse(string Text, float Reward, FinishReason FinishReason, int TokenCount)
{
    /// <summary>Whether the policy ended the response itself, and it was not cut off.</summary>
    public bool IsFinished => FinishReason is FinishReason.StopToken or FinishReason.StopString;

    /// <summary>Each token's log-probability; null where the options do not ask for them.</summary>
    internal IReadOnlyList<TokenLogProbability>? LogProbabilities { get; init; }
}
