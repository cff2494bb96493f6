namespace MLNet.Gpt;

/// <summary>One continuation of one prompt.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record GeneratedSequence
{
    /// <summary>The prompt that it continues, by its index in the call.</summary>
    public required int PromptIndex { get; init; }

    /// <summary>Which continuation of that prompt, 0 to <see cref="GenerationOptions.SamplesPerPrompt"/> - 1.</summary>
    public required int SampleIndex { get; init; }

    /// <summary>The prompt's tokens as the model saw them: after <see cref="PromptOverflow.KeepTail"/>, and with the end-of-text token in place of an empty prompt.</summary>
    public required IReadOnlyList<int> PromptTokenIds { get; init; }

    /// <summary>The new tokens, without the stop token. A stop string's tokens are included: cut the text at <see cref="TextByteCount"/>.</summary>
    public required IReadOnlyList<int> TokenIds { get; init; }

    /// <summary>Why the sequence ended.</summary>
    public required FinishReason FinishReason { get; init; }

    /// <summary>The token that ended it; null unless <see cref="FinishReason"/> is <see cref="FinishReason.StopToken"/>.</summary>
    public int? StopTokenId { get; init; }

    /// <summary>The string that ended it; null unless <see cref="FinishReason"/> is <see cref="FinishReason.StopString"/>.</summary>
    public string? StopString { get; init; }

    /// <summary>The log-probability of each of <see cref="TokenIds"/>; null unless <see cref="GenerationOptions.TopLogProbabilities"/> asks for it.</summary>
    public IReadOnlyList<TokenLogProbability>? LogProbabilities { get; init; }

    /// <summary>The score by which beam search ranks it; null without beams.</summary>
    public double? Score { get; init; }

    /// <summary>The UTF-8 bytes of the new text, up to the stop string where there is one; null where the tokens' bytes were not asked for.</summary>
    public int? TextByteCount { get; init; }
}
