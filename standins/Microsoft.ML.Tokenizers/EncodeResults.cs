namespace Microsoft.ML.Tokenizers;

/// <summary>What an encoding gives: the tokens, the normalized text where there is one, and how much of the text was used.</summary>
public struct EncodeResults<T>
{
    /// <summary>The tokens, in order.</summary>
    public IReadOnlyList<T> Tokens { get; set; }

    /// <summary>The text after normalization; null where nothing was normalized.</summary>
    public string? NormalizedText { get; set; }

    /// <summary>The UTF-16 units that the tokens cover.</summary>
    public int CharsConsumed { get; set; }
}
