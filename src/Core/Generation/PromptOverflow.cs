namespace MLNet.Gpt;

/// <summary>What happens to a text that has more tokens than the model's context holds.</summary>
public enum PromptOverflow
{
    /// <summary>It is an error, <see cref="PromptTooLongException"/>: nothing is cut behind the caller's back.</summary>
    Error,

    /// <summary>
    /// The last tokens are kept. A prompt keeps so many that <see cref="GenerationOptions.MaxNewTokens"/> still fit the context,
    /// or half of the context where that is more; a text to score keeps the context's length.
    /// </summary>
    KeepTail,
}
