namespace MLNet.Gpt;

/// <summary>The runs that were given can't tell a scaling law.</summary>
public sealed class ScalingFitException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="problem">What is wrong with the runs.</param>
    /// <param name="reason">What was found and what was expected.</param>
    /// <param name="remedy">What to do about it.</param>
    public ScalingFitException(ScalingFitProblem problem, string reason, string remedy)
        : base($"No scaling law can be fitted: {reason} {remedy}") => Problem = problem;

    /// <summary>What is wrong with the runs.</summary>
    public ScalingFitProblem Problem { get; }
}
