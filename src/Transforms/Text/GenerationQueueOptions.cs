namespace MLNet.Gpt;

/// <summary>How a <see cref="GptGenerationQueue"/> shares a model among its callers.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record GenerationQueueOptions
{
    /// <summary>The most sequences that are computed at once, 1 or more. Default 16. The key/value cache takes the model's context length for each that has been there at once, and up to twice that while they come.</summary>
    public int MaxRows { get; init; } = 16;

    /// <summary>The most sequences that wait for a place, 0 or more; a call that would make them more is refused with a <see cref="GenerationQueueFullException"/>. Default 1,000.</summary>
    public int MaxWaiting { get; init; } = 1_000;

    /// <summary>
    /// The most tokens of prompts that are computed between two tokens of the sequences under way, 1 or more. Default 256: fewer keep the others' tokens flowing while a long prompt comes in, more compute it sooner.
    /// </summary>
    public int PrefillTokens { get; init; } = 256;

    /// <summary>
    /// The tokens of past prompts whose keys and values are kept, over all of them; 0 (the default) keeps none. A prompt that begins like one of them (a system prompt, few-shot examples, a conversation so far) is computed from where
    /// they part. A token takes 2 · layers · width numbers of the device's memory.
    /// </summary>
    public int PrefixCacheTokens { get; init; }

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxRows, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxWaiting);
        ArgumentOutOfRangeException.ThrowIfLessThan(PrefillTokens, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(PrefixCacheTokens);
    }
}
