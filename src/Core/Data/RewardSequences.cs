namespace MLNet.Gpt;

/// <summary>Lays out a prompt and a response as the one sequence that a reward model reads: prompt, response, and with <see cref="RewardReadout.ReadoutToken"/> the read-out token.</summary>
internal static class RewardSequences
{
    /// <summary>The id of the read-out token: the one behind the model's vocabulary.</summary>
    /// <param name="config">The model's shape.</param>
    public static int ReadoutId(GptConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        return config.VocabularySize;
    }

    /// <summary>Lays out a prompt and a response.</summary>
    /// <param name="head">The head.</param>
    /// <param name="config">The model's shape.</param>
    /// <param name="prompt">The prompt's tokens, 1 or more.</param>
    /// <param name="response">The response's tokens, 1 or more, the one that ends it among them where it has ended.</param>
    /// <param name="droppedTokens">How many tokens of the prompt were cut off.</param>
    /// <returns>At most the context length of tokens.</returns>
    /// <exception cref="PromptTooLongException">The response leaves no room for a token of the prompt; or the prompt does not fit, and <see cref="RewardHead.Overflow"/> says that this is an error.</exception>
    /// <exception cref="ArgumentException">Prompt or response is empty.</exception>
    public static int[] Build(RewardHead head, GptConfig config, ReadOnlySpan<int> prompt, ReadOnlySpan<int> response, out int droppedTokens)
    {
        ArgumentNullException.ThrowIfNull(head);
        ArgumentNullException.ThrowIfNull(config);
        if (prompt.IsEmpty || response.IsEmpty) throw new ArgumentException($"The prompt has {prompt.Length} tokens and the response {response.Length}; give 1 or more of each.", prompt.IsEmpty ? nameof(prompt) : nameof(response));
        int room = config.ContextLength - response.Length - head.AddedTokenCount;
        if (room < 1)
            throw new PromptTooLongException(prompt.Length + response.Length + head.AddedTokenCount, config.ContextLength, $"The response alone has {response.Length} tokens, and it is never cut; leave it out, or take a model with a longer context.");
        droppedTokens = Math.Max(0, prompt.Length - room);
        if (droppedTokens > 0 && head.Overflow == PromptOverflow.Error)
            throw new PromptTooLongException(prompt.Length + response.Length + head.AddedTokenCount, config.ContextLength, $"Shorten the prompt of {prompt.Length} tokens, or train the reward model with {nameof(RewardHead.Overflow)} {nameof(PromptOverflow.KeepTail)}.");
        return head.AddedTokenCount > 0 ? [.. prompt[droppedTokens..], .. response, ReadoutId(config)] : [.. prompt[droppedTokens..], .. response];
    }
}
