namespace MLNet.Gpt;

/// <summary>The documents that a row of tokens touches.</summary>
/// <param name="First">The document of the row's first token, counted from 0 in its token file.</param>
/// <param name="Last">The document of the row's last token.</param>
public readonly record struct DocumentRange(int First, int Last)
{
    /// <summary>"document 7", or "documents 7 to 9".</summary>
    public override string ToString() => First == Last ? $"document {First}" : $"documents {First} to {Last}";
}
