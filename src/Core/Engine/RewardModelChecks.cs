namespace MLNet.Gpt;

/// <summary>The checks of the arguments of <see cref="IRewardModel.Run"/>, the same for every engine.</summary>
internal static class RewardModelChecks
{
    /// <summary>Checks the arguments.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenIds">As for <see cref="IRewardModel.Run"/>.</param>
    /// <param name="lengths">As for <see cref="IRewardModel.Run"/>.</param>
    /// <param name="rewards">As for <see cref="IRewardModel.Run"/>.</param>
    /// <returns>T.</returns>
    /// <exception cref="ArgumentException">The lengths of the spans do not fit together.</exception>
    /// <exception cref="PromptTooLongException">T exceeds the context length.</exception>
    /// <exception cref="TokenOutOfRangeException">An id is neither of the vocabulary nor the read-out token.</exception>
    public static int Validate(IRewardModel model, ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, ReadOnlySpan<float> rewards)
    {
        ArgumentNullException.ThrowIfNull(model);
        return HeadRowChecks.Validate(model.Config, model.Head.AddedTokenCount, group: 1, static _ => 1, tokenIds, lengths, rewards, nameof(rewards),
            "Lay out prompt and response with RewardSequences.Build, which cuts the prompt.");
    }
}
