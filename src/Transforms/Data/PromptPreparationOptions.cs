namespace MLNet.Gpt;

/// <summary>How prompts that users wrote are prepared for training.</summary>
/// <remarks>Immutable; may be shared between threads. The defaults are InstructGPT's where its authors name them (Ouyang et al. 2022, section 3.2 and appendix A).</remarks>
public sealed record PromptPreparationOptions
{
    /// <summary>The most prompts of one user that are kept, the first ones; 0 keeps all. Default 200 (section 3.2).</summary>
    public int MaxPromptsPerUser { get; init; } = 200;

    /// <summary>
    /// Of prompts that share this many first characters the first is kept (section 3.2: "a long common prefix", without a number); of shorter prompts that are equal too. Letters' case and the
    /// kind and number of white space make no difference. 0 keeps all. Default 100.
    /// </summary>
    public int SharedPrefixLength { get; init; } = 100;

    /// <summary>What happens to prompts that seem to hold personal data (section 3.2: they are filtered). Default <see cref="PersonalDataHandling.Mask"/>.</summary>
    public PersonalDataHandling PersonalData { get; init; } = PersonalDataHandling.Mask;

    /// <summary>The share of the users whose prompts are for validation, in [0, 1). Default 0.1.</summary>
    public double ValidationFraction { get; init; } = 0.1;

    /// <summary>The share of the users whose prompts are for the test, in [0, 1); with <see cref="ValidationFraction"/> below 1. Default 0.1.</summary>
    public double TestFraction { get; init; } = 0.1;

    /// <summary>Which users are on which side is decided by this and the user's id alone: with more data a user stays where they were. Default 0.</summary>
    public int Seed { get; init; }

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public void Validate()
    {
        foreach ((int value, string name, string off) in ((int, string, string)[])[(MaxPromptsPerUser, nameof(MaxPromptsPerUser), "0 keeps all"), (SharedPrefixLength, nameof(SharedPrefixLength), "0 keeps all")])
        {
            if (value < 0) throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it must be 0 or more ({off}).");
        }

        if (!Enum.IsDefined(PersonalData)) throw new ArgumentOutOfRangeException(nameof(PersonalData), PersonalData, $"{nameof(PersonalData)} is {PersonalData}; it must be one of {string.Join(", ", Enum.GetNames<PersonalDataHandling>())}.");
        foreach ((double value, string name) in ((double, string)[])[(ValidationFraction, nameof(ValidationFraction)), (TestFraction, nameof(TestFraction)), (ValidationFraction + TestFraction, $"{nameof(ValidationFraction)} + {nameof(TestFraction)}")])
        {
            if (!(value is >= 0 and < 1)) throw new ArgumentOutOfRangeException(name, value, FormattableString.Invariant($"{name} is {value}; it must be at least 0 and below 1."));
        }
    }
}
