using System.Text.Json.Serialization;

namespace MLNet.Gpt;

/// <summary>How text is embedded, and which columns tell about it.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record EmbedTextOptions : EmbeddingOptions
{
    /// <summary>What a special token's text in a text means. Default <see cref="SpecialTokenHandling.AsText"/>: texts to embed are content, not markup.</summary>
    public SpecialTokenHandling SpecialTokens { get; init; } = SpecialTokenHandling.AsText;

    /// <summary>The Int32 column of how many tokens the vector is made of. Null (the default) leaves it out. Read by the transformer only.</summary>
    public string? TokenCountColumnName { get; init; }

    /// <summary>The Int32 column of how many tokens did not fit and were cut off, 0 for most. Null (the default) leaves it out. Read by the transformer only.</summary>
    public string? DroppedTokenCountColumnName { get; init; }

    /// <summary>
    /// Ends the embedding with an <see cref="OperationCanceledException"/>, which the cursor throws. Default none. Read by the transformer only, since
    /// <see cref="GptModel"/>'s methods take one of their own; not saved with the transformer.
    /// </summary>
    [JsonIgnore]
    public CancellationToken CancellationToken { get; init; }
}
