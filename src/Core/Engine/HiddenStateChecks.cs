namespace MLNet.Gpt;

/// <summary>The argument checks that every <see cref="IHiddenStateModel"/> owes its callers.</summary>
internal static class HiddenStateChecks
{
    /// <summary>Checks the arguments of <see cref="IHiddenStateModel.ComputeHiddenStates"/>.</summary>
    /// <returns>T: the tokens of each row.</returns>
    /// <exception cref="ArgumentException">A span's length does not fit.</exception>
    /// <exception cref="TokenOutOfRangeException">A token id is outside the vocabulary.</exception>
    /// <exception cref="PromptTooLongException">T exceeds the context length.</exception>
    public static int Validate(GptConfig config, ReadOnlySpan<int> tokenIds, int rowCount, ReadOnlySpan<float> hidden)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentOutOfRangeException.ThrowIfLessThan(rowCount, 1);
        if (tokenIds.IsEmpty || tokenIds.Length % rowCount != 0)
            throw new ArgumentException($"{tokenIds.Length} token ids can't be divided over {rowCount} rows; give each row the same number, 1 or more.", nameof(tokenIds));
        int t = tokenIds.Length / rowCount;
        if (t > config.ContextLength) throw new PromptTooLongException(t, config.ContextLength, "Cut the text, or use a model with a longer context.");
        long expected = (long)tokenIds.Length * config.EmbeddingSize;
        if (hidden.Length != expected)
            throw new ArgumentException($"The buffer holds {hidden.Length} numbers; {rowCount} rows of {t} tokens need {expected}.", nameof(hidden));
        for (int i = 0; i < tokenIds.Length; i++)
        {
            if ((uint)tokenIds[i] >= (uint)config.VocabularySize)
                throw new TokenOutOfRangeException(tokenIds[i], config.VocabularySize, $"row {i / t}, position {i % t}");
        }

        return t;
    }
}
