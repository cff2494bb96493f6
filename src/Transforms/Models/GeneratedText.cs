namespace MLNet.Gpt;

/// <summary>One continuation of one prompt, as text.</summary>
/// <param name="PromptIndex">The prompt that it continues, by its index in the call.</param>
/// <param name="SampleIndex">Which continuation of that prompt, 0 to <see cref="GenerationOptions.SamplesPerPrompt"/> - 1.</param>
/// <param name="Text">The new text, without the prompt and without the stop string. Bytes that make no character are U+FFFD.</param>
/// <param name="FinishReason">Why it ended.</param>
/// <param name="PromptTokenCount">The prompt's tokens as the model saw them.</param>
/// <param name="TokenCount">The tokens generated; a stop string's are included, a stop token is not.</param>
public sealed record GeneratedText(int PromptIndex, int SampleIndex, string Text, FinishReason FinishReason, int PromptTokenCount, int TokenCount)
{
    /// <summary>The log-probability of each new token; null unless <see cref="GenerationOptions.TopLogProbabilities"/> asks for it.</summary>
    public IReadOnlyList<TokenLogProbability>? LogProbabilities { get; init; }

    /// <summary>The score by which beam search ranks it; null without beams.</summary>
    public double? Score { get; init; }
}
