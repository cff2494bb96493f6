namespace MLNet.Gpt;

/// <summary>The checks of the arguments of <see cref="ITextClassifierModel.Run"/>, the same for every engine.</summary>
internal static class ClassifierModelChecks
{
    /// <summary>Checks the arguments.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenIds">As for <see cref="ITextClassifierModel.Run"/>.</param>
    /// <param name="lengths">As for <see cref="ITextClassifierModel.Run"/>.</param>
    /// <param name="outputs">As for <see cref="ITextClassifierModel.Run"/>.</param>
    /// <returns>T.</returns>
    /// <exception cref="ArgumentException">The lengths of the spans do not fit together.</exception>
    /// <exception cref="PromptTooLongException">T exceeds the context length.</exception>
    /// <exception cref="TokenOutOfRangeException">An id is neither of the vocabulary nor one of the three.</exception>
    public static int Validate(ITextClassifierModel model, ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, ReadOnlySpan<float> outputs)
    {
        ArgumentNullException.ThrowIfNull(model);
        int rows = lengths.Length, group = model.Head.SequencesPerOutput;
        if (rows == 0 || rows % group != 0 || tokenIds.Length == 0 || tokenIds.Length % rows != 0)
            throw new ArgumentException($"{tokenIds.Length} token ids and {rows} lengths are given; the rows must come in groups of {group}, each row with as many ids.", nameof(tokenIds));
        int expected = rows / group * model.Head.OutputCount;
        if (outputs.Length != expected) throw new ArgumentException($"The outputs have {outputs.Length} elements; {rows} rows give {expected}.", nameof(outputs));
        int t = tokenIds.Length / rows, vocabulary = model.Config.VocabularySize + TaskSequences.SpecialTokenCount;
        if (t > model.Config.ContextLength) throw new PromptTooLongException(t, model.Config.ContextLength, "Lay out the texts with TaskSequences.Build, which cuts them.");
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
