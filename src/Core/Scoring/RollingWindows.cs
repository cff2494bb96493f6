namespace MLNet.Gpt;

/// <summary>Cuts long sequences into windows that score each token once, as EleutherAI's lm-evaluation-harness does for perplexities.</summary>
/// <remarks>
/// The first window begins with the end-of-text token and scores the first T tokens, T being the context length. Each further one scores the next T, given the one token before them;
/// the last one, which scores fewer, sees as many tokens before them as the context has room for.
/// </remarks>
internal static class RollingWindows
{
    /// <summary>Cuts a sequence.</summary>
    /// <param name="tokens">The sequence; an empty one has no windows.</param>
    /// <param name="contextLength">T, 1 or more.</param>
    /// <returns>Windows: an empty context stands for the end-of-text token. The continuations are the sequence, in order.</returns>
    public static IEnumerable<ContinuationRequest> Of(int[] tokens, int contextLength)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        ArgumentOutOfRangeException.ThrowIfLessThan(contextLength, 1);
        for (int start = 0; start < tokens.Length;)
        {
            int end = Math.Min(start + contextLength, tokens.Length);
            int context = start == 0 ? 0 : Math.Max(0, end - contextLength - 1); // the context length and the one token that is never fed
            yield return new ContinuationRequest(start == 0 ? [] : tokens[context..start], [tokens[start..end]]);
            start = end;
        }
    }
}
