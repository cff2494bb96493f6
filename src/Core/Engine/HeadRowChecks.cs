namespace MLNet.Gpt;

/// <summary>The checks of rows of tokens that a head computes, the same for every kind of head.</summary>
internal static class HeadRowChecks
{
    /// <summary>Checks the arguments.</summary>
    /// <param name="config">The network's shape; its vocabulary does not count the head's tokens.</param>
    /// <param name="addedTokens">How many tokens the head adds.</param>
    /// <param name="group">S: the rows that one output is read from.</param>
    /// <param name="outputsOf">The numbers that a group of rows of T tokens gives.</param>
    /// <param name="tokenIds">(R, T).</param>
    /// <param name="lengths">(R).</param>
    /// <param name="outputs">The room for the outputs.</param>
    /// <param name="outputsName">What the caller calls them.</param>
    /// <param name="layout">What lays out rows that fit.</param>
    /// <returns>T.</returns>
    /// <exception cref="ArgumentException">The lengths of the spans do not fit together.</exception>
    /// <exception cref="PromptTooLongException">T exceeds the context length.</exception>
    /// <exception cref="TokenOutOfRangeException">An id is neither of the vocabulary nor one that the head adds.</exception>
    public static int Validate(
        GptConfig config, int addedTokens, int group, Func<int, int> outputsOf, ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, ReadOnlySpan<float> outputs, string outputsName, string layout)
    {
        int rows = lengths.Length;
        if (rows == 0 || rows % group != 0 || tokenIds.Length == 0 || tokenIds.Length % rows != 0)
            throw new ArgumentException($"{tokenIds.Length} token ids and {rows} lengths are given; the rows must come in groups of {group}, each row with as many ids, 1 or more.", nameof(tokenIds));
        int t = tokenIds.Length / rows, vocabulary = config.VocabularySize + addedTokens;
        if (t > config.ContextLength) throw new PromptTooLongException(t, config.ContextLength, layout);
        int expected = rows / group * outputsOf(t);
        if (outputs.Length != expected) throw new ArgumentException($"There is room for {outputs.Length} numbers; {rows} rows give {expected}.", outputsName);
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
