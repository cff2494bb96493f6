namespace MLNet.Gpt;

/// <summary>How text is turned into tokens.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record TokenizeTextOptions
{
    /// <summary>What a special token's text in a text means. Default <see cref="SpecialTokenHandling.Recognize"/>.</summary>
    public SpecialTokenHandling SpecialTokens { get; init; } = SpecialTokenHandling.Recognize;

    /// <summary>Checks the value.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is none of the enumeration's.</exception>
    public void Validate() => SpecialTokensOption.Validate(SpecialTokens);
}
