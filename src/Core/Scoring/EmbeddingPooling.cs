namespace MLNet.Gpt;

/// <summary>How a text's hidden states become one vector.</summary>
public enum EmbeddingPooling
{
    /// <summary>The last token's: the one position of a causal model that has seen the whole text.</summary>
    LastToken,

    /// <summary>The mean over all tokens.</summary>
    Mean,
}
