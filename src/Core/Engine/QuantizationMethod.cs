namespace MLNet.Gpt;

/// <summary>How the scale of a block of quantized weights is chosen.</summary>
public enum QuantizationMethod
{
    /// <summary>The scale that just covers the block's largest number.</summary>
    RoundToNearest,

    /// <summary>
    /// The scale with the least squared error among some that cover a little less or more, fitted to the codes by least squares, as llama.cpp's k-quants do. An input channel counts as
    /// much as the layer normalisation before it lets through (gain² + bias²). The default: a better model in the same bytes, for a few seconds more.
    /// </summary>
    ScaleSearch,
}
