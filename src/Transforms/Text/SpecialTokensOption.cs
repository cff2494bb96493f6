namespace MLNet.Gpt;

/// <summary>The check of an option that several transformers have.</summary>
internal static class SpecialTokensOption
{
    public static void Validate(SpecialTokenHandling value)
    {
        if (!Enum.IsDefined(value))
            throw new ArgumentOutOfRangeException("SpecialTokens", value, $"SpecialTokens is {value}; it must be {SpecialTokenHandling.Recognize} or {SpecialTokenHandling.AsText}.");
    }
}
