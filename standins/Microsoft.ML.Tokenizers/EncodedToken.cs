namespace Microsoft.ML.Tokenizers;

/// <summary>A token: its id, its text in the vocabulary, and the range of the encoded text that it covers.</summary>
public readonly struct EncodedToken : IEquatable<EncodedToken>
{
    public EncodedToken(int id, string value, Range offset)
    {
        Id = id;
        Value = value;
        Offset = offset;
    }

    /// <summary>The token's id.</summary>
    public int Id { get; }

    /// <summary>The token's text in the vocabulary.</summary>
    public string Value { get; }

    /// <summary>The UTF-16 units of the (normalized) text that the token covers.</summary>
    public Range Offset { get; }

    public bool Equals(EncodedToken other) => Id == other.Id && Value == other.Value && Offset.Equals(other.Offset);
}
