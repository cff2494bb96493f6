namespace MLNet.Gpt;

/// <summary>A conversation breaks the rules of conversations, or of the template that it is rendered with.</summary>
public sealed class ConversationException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="problem">What is wrong.</param>
    /// <param name="turnIndex">The turn at fault, from 0; null where it is none in particular.</param>
    /// <param name="message">What was found, what was expected, and what to do.</param>
    /// <param name="innerException">The cause, where there is one.</param>
    public ConversationException(ConversationProblem problem, int? turnIndex, string message, Exception? innerException = null)
        : base(message, innerException)
    {
        Problem = problem;
        TurnIndex = turnIndex;
    }

    /// <summary>What is wrong.</summary>
    public ConversationProblem Problem { get; }

    /// <summary>The turn at fault, from 0; null where it is none in particular.</summary>
    public int? TurnIndex { get; }
}
