namespace MLNet.Gpt;

/// <summary>How a tree of thoughts is searched (Yao et al. 2023, "Tree of thoughts: deliberate problem solving with large language models", algorithm 1, breadth first).</summary>
/// <remarks>Immutable; may be shared between threads. In the prompts, {problem} is the problem, {thoughts} are the steps so far, each on a line.</remarks>
public sealed record TreeOfThoughtsOptions
{
    /// <summary>T: the steps, 1 or more. Default 3.</summary>
    public int Depth { get; init; } = 3;

    /// <summary>k: the next steps that are proposed for each state, 1 or more. Default 3.</summary>
    public int Proposals { get; init; } = 3;

    /// <summary>b: the states that are kept after each step, 1 or more. Default 2; the paper's 5.</summary>
    public int Breadth { get; init; } = 2;

    /// <summary>How often each state is judged; the values are averaged. 1 or more. Default 1; the paper's 3.</summary>
    public int Judgements { get; init; } = 1;

    /// <summary>The temperature of proposals, above 0. Default 0.7, the paper's.</summary>
    public float Temperature { get; init; } = 0.7f;

    /// <summary>What asks for a next step.</summary>
    public string ProposePrompt { get; init; } = "Problem: {problem}\nSteps so far:\n{thoughts}\nWrite the next step, in one line.";

    /// <summary>What asks for a judgement, which is held to {"value": 1 to 10}.</summary>
    public string JudgePrompt { get; init; } = "Problem: {problem}\nSteps so far:\n{thoughts}\nHow likely do these steps lead to a right solution? Answer {\"value\": n} with n from 1 (surely not) to 10 (surely).";

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentException">A value is outside its range.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Depth, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Proposals, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Breadth, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Judgements, 1);
        if (!(Temperature > 0) || !float.IsFinite(Temperature)) throw new ArgumentOutOfRangeException(nameof(Temperature), Temperature, FormattableString.Invariant($"{nameof(Temperature)} is {Temperature}; it must be above 0, or all proposals are one."));
        ArgumentException.ThrowIfNullOrEmpty(ProposePrompt);
        ArgumentException.ThrowIfNullOrEmpty(JudgePrompt);
    }
}
