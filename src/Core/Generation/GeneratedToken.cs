namespace MLNet.Gpt;

/// <summary>One token, reported as soon as it is sampled.</summary>
/// <param name="PromptIndex">The prompt that it continues, by its index in the call.</param>
/// <param name="SampleIndex">Which continuation of that prompt, 0 to <see cref="GenerationOptions.SamplesPerPrompt"/> - 1.</param>
/// <param name="Position">Its place among the sequence's new tokens, from 0.</param>
/// <param name="TokenId">The token.</param>
/// <param name="SettledByteCount">
/// How many bytes of the new text, from its start, are sure to be part of the result: the rest may turn out to be the
/// beginning of a stop string. 0 where the tokens' bytes were not asked for.
/// </param>
public readonly record struct GeneratedToken(int PromptIndex, int SampleIndex, int Position, int TokenId, int SettledByteCount)
{
    /// <summary>What the model thought of it; null unless <see cref="GenerationOptions.TopLogProbabilities"/> asks for it.</summary>
    public TokenLogProbability? LogProbability { get; init; }
}
