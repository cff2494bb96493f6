namespace MLNet.Gpt;

/// <summary>A few-shot prompt has more tokens than it may have with the examples that it must hold.</summary>
public sealed class ExamplesDoNotFitException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="exampleCount">The examples asked for.</param>
    /// <param name="fittingCount">The examples that would fit.</param>
    /// <param name="tokenCount">The prompt's tokens with all of them.</param>
    /// <param name="maxTokens">The most tokens that it may have.</param>
    /// <param name="where">Which prompt it is.</param>
    public ExamplesDoNotFitException(int exampleCount, int fittingCount, int tokenCount, int maxTokens, string where)
        : base($"{where}: with {exampleCount} examples the prompt has {tokenCount} tokens; at most {maxTokens} may be used, for which {fittingCount} examples fit. Ask for fewer or shorter examples, raise MaxTokens, or set AllowFewerExamples to true.")
    {
        ExampleCount = exampleCount;
        FittingCount = fittingCount;
        TokenCount = tokenCount;
        MaxTokens = maxTokens;
    }

    /// <summary>The examples asked for.</summary>
    public int ExampleCount { get; }

    /// <summary>The examples that would fit.</summary>
    public int FittingCount { get; }

    /// <summary>The prompt's tokens with all of them.</summary>
    public int TokenCount { get; }

    /// <summary>The most tokens that it may have.</summary>
    public int MaxTokens { get; }
}
