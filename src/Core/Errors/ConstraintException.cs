namespace MLNet.Gpt;

/// <summary>A schema, a regular expression or a grammar that can't constrain a generation.</summary>
public sealed class ConstraintException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="problem">What is wrong.</param>
    /// <param name="location">Where: a JSON pointer into the schema, a rule of the grammar, a place in the text.</param>
    /// <param name="message">What was found and what to do, as sentences.</param>
    /// <param name="keyword">The keyword or operator that is meant, where one is.</param>
    /// <param name="innerException">The cause, where there is one.</param>
    public ConstraintException(ConstraintProblem problem, string location, string message, string? keyword = null, Exception? innerException = null)
        : base($"The constraint can't be used, at {location}: {message}", innerException)
    {
        Problem = problem;
        Location = location;
        Keyword = keyword;
    }

    /// <summary>What is wrong.</summary>
    public ConstraintProblem Problem { get; }

    /// <summary>Where: a JSON pointer into the schema, a rule of the grammar, a place in the text.</summary>
    public string Location { get; }

    /// <summary>The keyword or operator that is meant; null where none is.</summary>
    public string? Keyword { get; }
}
