namespace MLNet.Gpt;

/// <summary>What happens to prompts that seem to hold personal data.</summary>
public enum PersonalDataHandling
{
    /// <summary>Each place becomes a word that names what was there: "[email]".</summary>
    Mask,

    /// <summary>The prompt is left out.</summary>
    LeaveOut,

    /// <summary>Nothing: it is counted only.</summary>
    Keep,
}
