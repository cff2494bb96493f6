namespace MLNet.Gpt;

/// <summary>One training example: tokens, and which of them the model has to learn to write.</summary>
/// <param name="Row">The data view's row, from 0.</param>
/// <param name="TokenIds">2 tokens or more.</param>
/// <param name="IsTarget">For each token whether it belongs to a completion, the token that ends it included. The first never does.</param>
internal sealed record SupervisedExample(long Row, int[] TokenIds, bool[] IsTarget)
{
    /// <summary>The places that the example takes in a row: the last token is only predicted.</summary>
    public int Length => TokenIds.Length - 1;

    /// <summary>A prompt and what the model has to learn to write after it.</summary>
    /// <param name="row">The data view's row, from 0.</param>
    /// <param name="prompt">1 token or more.</param>
    /// <param name="completion">1 token or more.</param>
    public static SupervisedExample Of(long row, int[] prompt, int[] completion)
    {
        var isTarget = new bool[prompt.Length + completion.Length];
        isTarget.AsSpan(prompt.Length).Fill(true);
        return new(row, [.. prompt, .. completion], isTarget);
    }

    /// <summary>The tokens with a loss.</summary>
    public int TargetCount => IsTarget.AsSpan(1).Count(true);
}
