namespace MLNet.Gpt;

/// <summary>A place of a text that looks like personal data.</summary>
/// <param name="Kind">What it looks like.</param>
/// <param name="Start">The first character.</param>
/// <param name="Length">The characters.</param>
public readonly record struct PersonalDataMatch(PersonalDataKind Kind, int Start, int Length);
