namespace MLNet.Gpt;

/// <summary>What became of prompts that were prepared. Each prompt is counted where it was left out first.</summary>
/// <param name="Prompts">All prompts.</param>
/// <param name="Users">All users.</param>
/// <param name="Empty">Prompts of white space alone, which were left out.</param>
/// <param name="SharedPrefixes">Prompts that share a prefix with one before them, which were left out.</param>
/// <param name="OverLimit">Prompts beyond a user's limit, which were left out.</param>
/// <param name="UsersOverLimit">The users with such prompts.</param>
/// <param name="PromptsWithPersonalData">Of the others, those that seem to hold personal data.</param>
/// <param name="PersonalData">The places in them that look like personal data, by kind; all kinds are there.</param>
/// <param name="LeftOutForPersonalData">Prompts that were left out for it.</param>
/// <param name="Training">What is left to train on.</param>
/// <param name="Validation">What is left to validate on.</param>
/// <param name="Test">What is left to test on.</param>
public sealed record PromptPreparationReport(
    long Prompts,
    int Users,
    long Empty,
    long SharedPrefixes,
    long OverLimit,
    int UsersOverLimit,
    long PromptsWithPersonalData,
    IReadOnlyDictionary<PersonalDataKind, long> PersonalData,
    long LeftOutForPersonalData,
    PromptSide Training,
    PromptSide Validation,
    PromptSide Test)
{
    /// <summary>The prompts that are left.</summary>
    public long Kept => Training.Prompts + Validation.Prompts + Test.Prompts;

    /// <summary>Some lines for a console or a log.</summary>
    public override string ToString() => FormattableString.Invariant($"""
        {Kept:N0} of {Prompts:N0} prompts of {Users:N0} users kept: {Training.Prompts:N0} of {Training.Users:N0} to train on, {Validation.Prompts:N0} of {Validation.Users:N0} to validate on, {Test.Prompts:N0} of {Test.Users:N0} to test on
        left out: {Empty:N0} empty, {SharedPrefixes:N0} sharing a prefix, {OverLimit:N0} beyond the limit of {UsersOverLimit:N0} users, {LeftOutForPersonalData:N0} with personal data
        personal data in {PromptsWithPersonalData:N0} prompts: {string.Join(", ", PersonalData.OrderBy(static pair => pair.Key).Select(static pair => FormattableString.Invariant($"{pair.Value:N0} {pair.Key.ToString().ToLowerInvariant()}")))}
        """);
}
