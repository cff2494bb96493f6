namespace MLNet.Gpt;

/// <summary>Turns prompts and what follows them into tokens: the two are encoded apart, as in generation, where a prompt is encoded alone.</summary>
/// <param name="tokenizer">The model's tokenizer.</param>
/// <param name="companions">The model's: the token that an empty prompt begins with, and its end tokens.</param>
/// <param name="specialTokens">What special tokens' texts mean.</param>
internal sealed class CompletionTexts(GptTokenizer tokenizer, ModelCompanions companions, SpecialTokenHandling specialTokens)
{
    private readonly int[] _ends = [tokenizer.EndOfTextId, .. companions.Generation.StopTokenIds];

    /// <summary>A prompt's tokens; an empty one is the begin token, as in generation.</summary>
    public int[] Prompt(string prompt)
    {
        int[] tokens = tokenizer.Encode(prompt, specialTokens);
        return tokens.Length > 0 ? tokens : [companions.BeginTokenId ?? tokenizer.EndOfTextId];
    }

    /// <summary>A completion's tokens with the end-of-text token, unless an end token ends it already; none for an empty one.</summary>
    public int[] Completion(string completion)
    {
        int[] tokens = tokenizer.Encode(completion, specialTokens);
        return tokens.Length == 0 || _ends.Contains(tokens[^1]) ? tokens : [.. tokens, tokenizer.EndOfTextId];
    }
}
