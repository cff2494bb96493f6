namespace MLNet.Gpt;

/// <summary>How a model thinks, acts and observes in turn (Yao et al. 2023, "ReAct: synergizing reasoning and acting in language models").</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record ReActOptions
{
    /// <summary>The most steps, 1 or more. Default 6; the paper's for questions is 7.</summary>
    public int MaxSteps { get; init; } = 6;

    /// <summary>What the system message says before the tools.</summary>
    public string Introduction { get; init; } = "Solve the question in steps. In each step write a thought and one action: call a tool, or finish with the answer.";

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentException">A value is outside its range.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxSteps, 1);
        ArgumentNullException.ThrowIfNull(Introduction);
    }
}
