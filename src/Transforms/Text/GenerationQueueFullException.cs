namespace MLNet.Gpt;

/// <summary>More sequences wait for a place in a <see cref="GptGenerationQueue"/> than it holds. The call has done nothing and may be made again.</summary>
public sealed class GenerationQueueFullException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="waiting">The sequences that wait.</param>
    /// <param name="maxWaiting">The most that may.</param>
    public GenerationQueueFullException(int waiting, int maxWaiting)
        : base($"{waiting} sequences wait for a place, and {nameof(GenerationQueueOptions.MaxWaiting)} is {maxWaiting}. Call again later, or raise {nameof(GenerationQueueOptions.MaxWaiting)}.") =>
        (Waiting, MaxWaiting) = (waiting, maxWaiting);

    /// <summary>The sequences that wait.</summary>
    public int Waiting { get; }

    /// <summary>The most that may.</summary>
    public int MaxWaiting { get; }
}
