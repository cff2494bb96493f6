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
        int rows = lengths.Length;
        if (rows == 0 || tokenIds.Length == 0 || tokenIds.Length % rows != 0)
            throw new ArgumentException($"{tokenIds.Length} token ids and {rows} lengths are given; each row must have as many ids, 1 or more.", nameof(tokenIds));
        if (rewards.Length != rows) throw new ArgumentException($"The rewards have room for {rewards.Length}; {rows} rows give {rows}.", nameof(rewards));
        int t = tokenIds.Length / rows, vocabulary = model.Config.VocabularySize + model.Head.AddedTokenCount;
        if (t > model.Config.ContextLength) throw new PromptTooLongException(t, model.Config.ContextLength, "Lay out prompt and response with RewardSequences.Build, which cuts the prompt.");
        for (int row = 0; row < rows; row++)
        {
            if (lengths[row] < 1 || lengths[row] > t) throw new ArgumentException($"Row {row} has the length {lengths[row]}; it must be 1 to {t}.", nameof(lengths));
        }

        for (int i = 0; i < tokenIds.Length; i++)
        {
            if ((uint)tokenIds[i] >= (uint)vocabulary) throw new TokenOutOfRangeException(tokenIds[i], vocabulary, $"row {i / t}, position {i % t}");
        }

        return t;
    }
}
