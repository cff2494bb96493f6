namespace MLNet.Gpt;

/// <summary>A GPT with a task head, whichever engine computes it: token sequences in, the head's outputs out.</summary>
/// <remarks>Several threads may call <see cref="Run"/> at once. Disposing the model meanwhile is safe: its memory stays until they have ended, and later calls throw <see cref="ObjectDisposedException"/>.</remarks>
public interface ITextClassifierModel : IDisposable
{
    /// <summary>The network's shape; its vocabulary does not count Start, Delimiter and Extract.</summary>
    GptConfig Config { get; }

    /// <summary>The head.</summary>
    ClassifierHead Head { get; }

    /// <summary>Where the model computes.</summary>
    GptDevice Device { get; }

    /// <summary>Computes the head's outputs, without softmax, for sequences of the head's task: Start, the texts with Delimiter between them, Extract. The three have the ids behind the vocabulary: V, V + 1, V + 2.</summary>
    /// <param name="tokenIds">(R, T), row-major, padded on the right with any id of the vocabulary; T is at most the context length.</param>
    /// <param name="lengths">(R): each sequence's tokens, 1 to T; the last one is Extract, where the head reads.</param>
    /// <param name="outputs">
    /// (R / S, K), S being <see cref="ClassifierHead.SequencesPerOutput"/>: sequences that are read together stand behind each other.
    /// </param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>, while it computes where the engine can stop.</param>
    /// <exception cref="ArgumentException">The lengths of the spans do not fit together.</exception>
    /// <exception cref="PromptTooLongException">T exceeds the context length.</exception>
    /// <exception cref="TokenOutOfRangeException">An id is neither of the vocabulary nor one of the three.</exception>
    void Run(ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, Span<float> outputs, CancellationToken cancellationToken = default);
}
