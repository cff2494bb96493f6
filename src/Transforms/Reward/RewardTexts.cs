namespace MLNet.Gpt;

/// <summary>
/// Turns prompts and responses into tokens, the same in training and after it: apart from each other, as supervised fine-tuning has them, the response with the token that
/// ends it.
/// </summary>
/// <param name="tokenizer">The model's tokenizer.</param>
/// <param name="head">What prompts are, and what special tokens' texts mean.</param>
/// <param name="template">The chat template of conversations.</param>
internal sealed class RewardTexts(GptTokenizer tokenizer, RewardHead head, ChatTemplate? template)
{
    private readonly int _end = head.Conversations ? template!.EndOfTurnId(tokenizer) : tokenizer.EndOfTextId;

    /// <summary>A prompt's tokens: 1 or more; an empty text is the end-of-text token.</summary>
    /// <exception cref="ConversationException">It is no conversation that waits for an answer.</exception>
    public int[] Prompt(string prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        if (head.Conversations) return [.. template!.RenderPrompt(ConversationJson.Parse(prompt), tokenizer).TokenIds];
        int[] tokens = tokenizer.Encode(prompt, head.SpecialTokens);
        return tokens.Length > 0 ? tokens : [tokenizer.EndOfTextId];
    }

    /// <summary>A response's tokens and the one that ends it.</summary>
    public int[] Response(string response)
    {
        ArgumentNullException.ThrowIfNull(response);
        return [.. tokenizer.Encode(response, head.Conversations ? SpecialTokenHandling.AsText : head.SpecialTokens), _end];
    }
}
