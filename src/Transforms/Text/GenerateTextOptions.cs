using System.Text.Json.Serialization;

namespace MLNet.Gpt;

/// <summary>How text is generated, and which columns tell about it.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record GenerateTextOptions : GenerationOptions
{
    /// <summary>The defaults.</summary>
    public GenerateTextOptions()
    {
    }

    /// <summary>Takes over how tokens are chosen.</summary>
    internal GenerateTextOptions(GenerationOptions generation)
        : base(generation)
    {
    }

    /// <summary>
    /// What a special token's text in a prompt means. Default <see cref="SpecialTokenHandling.Recognize"/>, which templates need; take
    /// <see cref="SpecialTokenHandling.AsText"/> for text from strangers.
    /// </summary>
    public SpecialTokenHandling SpecialTokens { get; init; } = SpecialTokenHandling.Recognize;

    /// <summary>
    /// Whether special tokens that the model writes are left out of the new text, as with transformers' <c>skip_special_tokens</c>. False (the default) writes their texts, such as
    /// <c>&lt;|user|&gt;</c>: nothing that was generated is hidden. The token that ends a sequence is not part of the text in either case. Stop strings are looked for in the text as it is given.
    /// </summary>
    public bool SkipSpecialTokens { get; init; }

    /// <summary>
    /// What the new text must be: a choice, a match of a regular expression, JSON of a schema, a sentence of a grammar. Null (the default) leaves it free. The end token comes where the text
    /// satisfies it and nowhere else, so that <see cref="FinishReason.StopToken"/> means a whole text; one that ends otherwise, at <see cref="GenerationOptions.MaxNewTokens"/> for one, may be a
    /// beginning only. Special tokens are never part of it.
    /// </summary>
    public TextConstraint? Constraint { get; init; }

    /// <summary>
    /// What a prompt is. Default <see cref="PromptForm.Text"/>. With <see cref="PromptForm.Conversation"/> the content of the turns is always text,
    /// whatever <see cref="SpecialTokens"/> says, and <see cref="PromptOverflow.KeepTail"/> leaves out the oldest exchanges, never the system turn. Read by the transformer only.
    /// </summary>
    public PromptForm PromptForm { get; init; } = PromptForm.Text;

    /// <summary>
    /// The text column that names the <see cref="FinishReason"/>: "StopToken", "StopString", "MaxNewTokens" or "ContextFull". Null (the default) leaves it
    /// out. Read by the transformer only.
    /// </summary>
    public string? FinishReasonColumnName { get; init; }

    /// <summary>The Int32 column of how many tokens were generated. Null (the default) leaves it out. Read by the transformer only.</summary>
    public string? TokenCountColumnName { get; init; }

    /// <summary>
    /// The column of each new token's log-probability by the model's own distribution: a vector of Single of each text's own length. Null (the default) leaves it out. Read by the
    /// transformer only.
    /// </summary>
    public string? LogProbabilitiesColumnName { get; init; }

    /// <summary>
    /// Ends the generation with an <see cref="OperationCanceledException"/>, which the cursor throws. Default none. Read by the transformer only, since
    /// <see cref="GptModel"/>'s methods take one of their own; not saved with the transformer.
    /// </summary>
    [JsonIgnore]
    public CancellationToken CancellationToken { get; init; }

    /// <summary>The options with what the columns that they name are made of.</summary>
    internal GenerateTextOptions ForColumns() => LogProbabilitiesColumnName is null ? this : this with { TopLogProbabilities = TopLogProbabilities ?? 0 };
}
