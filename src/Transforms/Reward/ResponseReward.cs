namespace MLNet.Gpt;

/// <summary>What a reward model says of one response.</summary>
/// <param name="Reward">The reward: only differences between responses to the same prompt mean something. A difference d says that the one is preferred with the probability σ(d).</param>
/// <param name="DroppedTokens">How many tokens of the prompt did not fit the context.</param>
public sealed record ResponseReward(float Reward, int DroppedTokens);
