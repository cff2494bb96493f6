namespace Microsoft.ML.Tokenizers;

/// <summary>Cuts text into the pieces within which merges may happen.</summary>
public abstract partial class PreTokenizer
{
    /// <summary>Returns the pieces of a string, as offsets and lengths in UTF-16 units.</summary>
    public abstract IEnumerable<(int Offset, int Length)> PreTokenize(string text);

    /// <summary>Returns the pieces of a span, as offsets and lengths in UTF-16 units.</summary>
    public abstract IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text);
}
