namespace MLNet.Gpt;

/// <summary>Where the layer normalisations of a Transformer block stand.</summary>
public enum GptBlockForm
{
    /// <summary>
    /// GPT-2 and GPT-3: a LayerNorm before attention and before the feed-forward layer, and a final one
    /// after the last block (Radford et al. 2019, section 2.3).
    /// </summary>
    PreNorm,

    /// <summary>
    /// GPT-1: a LayerNorm after each residual sum, none after the last block (Radford et al. 2018,
    /// section 4.1, following Vaswani et al. 2017).
    /// </summary>
    PostNorm,
}
