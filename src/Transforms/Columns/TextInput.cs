namespace MLNet.Gpt;

/// <summary>A column that a transformer reads: text, or a vector of texts.</summary>
/// <param name="Name">The column's name.</param>
/// <param name="IsVector">Whether it is a vector of texts, of any length.</param>
internal sealed record TextInput(string Name, bool IsVector = false)
{
    /// <summary>The type, for messages.</summary>
    public string TypeName => IsVector ? "a vector of texts" : "text";
}
