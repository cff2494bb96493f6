namespace MLNet.Gpt;

/// <summary>What one side of a split holds.</summary>
/// <param name="Prompts">The prompts.</param>
/// <param name="Users">Their users, who are on no other side.</param>
public sealed record PromptSide(long Prompts, int Users);
