namespace Microsoft.ML.Tokenizers;

/// <summary>Rewrites text before it is split and encoded.</summary>
public abstract class Normalizer
{
    /// <summary>Returns the normalized form of a string.</summary>
    public abstract string Normalize(string original);

    /// <summary>Returns the normalized form of a span.</summary>
    public abstract string Normalize(ReadOnlySpan<char> original);
}
