namespace MLNet.Gpt;

/// <summary>How policies are compared.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record PolicyComparisonOptions
{
    /// <summary>
    /// How the policies answer, all alike. <see cref="GenerationOptions.SamplesPerPrompt"/> must be 1. Default: 128 tokens at most, drawn from each policy's own distribution, which entropy and
    /// divergence are about.
    /// </summary>
    public GenerateTextOptions Generation { get; init; } = new();

    /// <summary>
    /// The policy that the divergence is measured from, of the same tokenizer and without an adapter, whichever <see cref="GenerationOptions.Adapter"/> the policies answer with; null (the default) leaves it out.
    /// </summary>
    public GptModel? Reference { get; init; }

    /// <summary>Rewards that differ by no more are a tie, 0 or more. Default 0.</summary>
    public float TieTolerance { get; init; }

    /// <summary>The probability of the intervals, in (0, 1). Default 0.95.</summary>
    public double Level { get; init; } = 0.95;

    /// <summary>The prompts whose responses are kept to be read, the first ones, 0 or more. Default 10.</summary>
    public int SampleRows { get; init; } = 10;

    /// <summary>Whether the responses are drawn as the policies themselves are: entropy and divergence are then measured.</summary>
    internal bool DrawsFromPolicy => Generation is
    {
        Temperature: 1, TopK: 0, TopP: 1, MinP: 0, TypicalP: 1, RepetitionPenalty: 1, PresencePenalty: 0, FrequencyPenalty: 0, NoRepeatNgramSize: 0, LogitBias.Count: 0, MinNewTokens: 0, Constraint: null,
    };

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">A value is out of range, or two do not fit together.</exception>
    public void Validate()
    {
        ArgumentNullException.ThrowIfNull(Generation);
        Generation.Validate();
        SpecialTokensOption.Validate(Generation.SpecialTokens);
        if (Generation.SamplesPerPrompt != 1)
            throw new ArgumentException($"{nameof(Generation.SamplesPerPrompt)} is {Generation.SamplesPerPrompt}, and each policy answers a prompt once; set it to 1, or compare several times with other seeds.", nameof(Generation));
        if (!(TieTolerance >= 0 && float.IsFinite(TieTolerance))) throw new ArgumentOutOfRangeException(nameof(TieTolerance), TieTolerance, FormattableString.Invariant($"{nameof(TieTolerance)} is {TieTolerance}; it must be 0 or more and finite."));
        WinRate.RequireLevel(Level);
        if (SampleRows < 0) throw new ArgumentOutOfRangeException(nameof(SampleRows), SampleRows, $"{nameof(SampleRows)} is {SampleRows}; it must be 0 or more.");
        if (Reference is not null && !DrawsFromPolicy)
            throw new ArgumentException($"{nameof(Reference)} is set, and the responses are not drawn from the policies' own distributions: their divergence can't be told from them. Leave {nameof(Generation)}'s temperature, filters, penalties, biases, MinNewTokens and Constraint at their defaults, or {nameof(Reference)} null.", nameof(Reference));
    }
}
