namespace MLNet.Gpt;

/// <summary>
/// The weights of a reward model: <see cref="IGptWeights.Read"/> knows "head.weight" (1, C) and "head.bias" (1) too, and with <see cref="RewardReadout.ReadoutToken"/> "readout_token.weight" (1, C). C: the width.
/// </summary>
public interface IRewardWeights : IGptWeights
{
    /// <summary>The head.</summary>
    RewardHead Head { get; }
}
