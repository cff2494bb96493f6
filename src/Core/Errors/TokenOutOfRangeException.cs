namespace MLNet.Gpt;

/// <summary>A token id lies outside the model's vocabulary.</summary>
public sealed class TokenOutOfRangeException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="tokenId">The offending id.</param>
    /// <param name="vocabularySize">The number of ids; valid ones are 0 to this less one.</param>
    /// <param name="where">Where the id stood, e.g. "prompt 3, position 17".</param>
    public TokenOutOfRangeException(long tokenId, int vocabularySize, string where)
        : base($"Token id {tokenId} ({where}) is outside the vocabulary of {vocabularySize} tokens (valid ids are 0 to {vocabularySize - 1}). Encode the text with the model's own tokenizer.")
    {
        TokenId = tokenId;
        VocabularySize = vocabularySize;
    }

    /// <summary>The offending id.</summary>
    public long TokenId { get; }

    /// <summary>The number of ids in the vocabulary.</summary>
    public int VocabularySize { get; }
}
