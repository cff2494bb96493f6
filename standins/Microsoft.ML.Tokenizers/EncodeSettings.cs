namespace Microsoft.ML.Tokenizers;

/// <summary>How to encode: with or without normalization and pre-tokenization, and at most how many tokens.</summary>
public struct EncodeSettings
{
    public EncodeSettings() => MaxTokenCount = int.MaxValue;

    /// <summary>Whether the normalizer runs.</summary>
    public bool ConsiderNormalization { get; set; }

    /// <summary>Whether the pre-tokenizer runs.</summary>
    public bool ConsiderPreTokenization { get; set; }

    /// <summary>The most tokens to give.</summary>
    public int MaxTokenCount { get; set; }
}
