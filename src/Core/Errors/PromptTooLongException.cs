namespace MLNet.Gpt;

/// <summary>A prompt (or a text to score) has more tokens than the model's context holds.</summary>
public sealed class PromptTooLongException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="tokenCount">The tokens of the prompt.</param>
    /// <param name="limit">The most tokens that fit.</param>
    /// <param name="remedy">What the user can do about it.</param>
    public PromptTooLongException(int tokenCount, int limit, string remedy)
        : base($"The prompt has {tokenCount} tokens; at most {limit} fit the model's context. {remedy}")
    {
        TokenCount = tokenCount;
        Limit = limit;
    }

    /// <summary>The tokens of the prompt.</summary>
    public int TokenCount { get; }

    /// <summary>The most tokens that fit.</summary>
    public int Limit { get; }
}
