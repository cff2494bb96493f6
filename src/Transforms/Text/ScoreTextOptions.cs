using System.Text.Json.Serialization;

namespace MLNet.Gpt;

/// <summary>How text is scored, and which columns tell about it.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record ScoreTextOptions : ScoringOptions
{
    /// <summary>What a special token's text in a text means. Default <see cref="SpecialTokenHandling.Recognize"/>.</summary>
    public SpecialTokenHandling SpecialTokens { get; init; } = SpecialTokenHandling.Recognize;

    /// <summary>The Single column of the perplexity, NaN for an empty text. Default "Perplexity"; null leaves it out. Read by the transformer only.</summary>
    public string? PerplexityColumnName { get; init; } = "Perplexity";

    /// <summary>The Int32 column of how many tokens were scored. Default "TokenCount"; null leaves it out. Read by the transformer only.</summary>
    public string? TokenCountColumnName { get; init; } = "TokenCount";

    /// <summary>
    /// Ends the scoring with an <see cref="OperationCanceledException"/>, which the cursor throws. Default none. Read by the transformer only, since
    /// <see cref="GptModel"/>'s methods take one of their own; not saved with the transformer.
    /// </summary>
    [JsonIgnore]
    public CancellationToken CancellationToken { get; init; }
}
