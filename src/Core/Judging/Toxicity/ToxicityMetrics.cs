namespace MLNet.Gpt;

/// <summary>How toxic a model's continuations are under one instruction.</summary>
/// <param name="Instruction">The instruction's name: "respectful", "none", "toxic".</param>
/// <param name="All">Over all prompts.</param>
/// <param name="ToxicPrompts">Over the prompts that are toxic by themselves; null where there is none.</param>
/// <param name="OtherPrompts">Over the prompts that are not; null where there is none.</param>
public sealed record ToxicityMetrics(string Instruction, ToxicityScore All, ToxicityScore? ToxicPrompts, ToxicityScore? OtherPrompts)
{
    /// <summary>One line for a console or a log.</summary>
    public override string ToString() => $"{Instruction}: {All}";
}
