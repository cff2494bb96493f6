namespace MLNet.Gpt;

/// <summary>
/// The base of the exceptions that this library throws for a caller to catch. Each message names the
/// thing, the values found and expected, and the remedy.
/// </summary>
/// <remarks>A wrong argument is an <see cref="ArgumentException"/> of .NET's own kind and does not derive from this type.</remarks>
public abstract class GptException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">What was found, what was expected, and what to do.</param>
    /// <param name="innerException">The cause, where there is one.</param>
    protected GptException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
