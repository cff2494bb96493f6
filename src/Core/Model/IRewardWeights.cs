namespace MLNet.Gpt;

/// <summary>
/// The weights of a reward model: <see cref="IGptWeights.Read"/> knows the names of <see cref="GptParameterLayout"/> and of <see cref="RewardParameterLayout"/>.
/// </summary>
public interface IRewardWeights : IGptWeights
{
    /// <summary>The head.</summary>
    RewardHead Head { get; }
}
