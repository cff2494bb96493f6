namespace MLNet.Gpt;

/// <summary>Where a context's tokens end and a continuation's begin.</summary>
internal static class ContinuationTokens
{
    /// <summary>
    /// Encodes a context and its continuation as EleutherAI's lm-evaluation-harness does: white space at the context's end goes to the continuation, since byte-level vocabularies
    /// put a space before a word; then both are encoded together, and the continuation's tokens are those behind as many as the context alone has.
    /// </summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="context">The context; an empty one has no tokens.</param>
    /// <param name="continuation">The continuation.</param>
    /// <param name="handling">Whether the texts of special tokens become special tokens.</param>
    /// <returns>The context's tokens, and the continuation's: none where it adds nothing to the context.</returns>
    /// <exception cref="UnknownCharacterException">A character-level tokenizer has no token for a character.</exception>
    public static (int[] Context, int[] Continuation) Encode(
        GptTokenizer tokenizer, string context, string continuation, SpecialTokenHandling handling = SpecialTokenHandling.Recognize)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(continuation);
        string kept = context.TrimEnd();
        continuation = context[kept.Length..] + continuation;
        int[] head = tokenizer.Encode(kept, handling), whole = tokenizer.Encode(kept + continuation, handling);
        return (head, whole[Math.Min(head.Length, whole.Length)..]);
    }
}
