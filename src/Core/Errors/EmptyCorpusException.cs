namespace MLNet.Gpt;

/// <summary>There is no text to train on, or too little for one row of the context's length.</summary>
public sealed class EmptyCorpusException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">What was found, what is needed, and what to do.</param>
    public EmptyCorpusException(string message)
        : base(message)
    {
    }
}
