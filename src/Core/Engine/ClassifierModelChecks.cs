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
        return HeadRowChecks.Validate(model.Config, TaskSequences.SpecialTokenCount, model.Head.SequencesPerOutput, _ => model.Head.OutputCount, tokenIds, lengths, outputs, nameof(outputs),
            "Lay out the texts with TaskSequences.Build, which cuts them.");
    }
}
