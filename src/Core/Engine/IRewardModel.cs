namespace MLNet.Gpt;

/// <summary>A reward model, whichever engine computes it: token sequences in, one reward for each out.</summary>
/// <remarks>Several threads may call <see cref="Run"/> at once. Disposing the model meanwhile is safe: its memory stays until they have ended, and later calls throw <see cref="ObjectDisposedException"/>.</remarks>
public interface IRewardModel : IDisposable
{
    /// <summary>The network's shape; its vocabulary does not count the read-out token.</summary>
    GptConfig Config { get; }

    /// <summary>The head.</summary>
    RewardHead Head { get; }

    /// <summary>Where the model computes.</summary>
    GptDevice Device { get; }

    /// <summary>Computes the rewards of sequences: prompt, response, the token that ends it, and the read-out token where the head has one, whose id is the vocabulary's size.</summary>
    /// <param name="tokenIds">(R, T), row-major, padded on the right with any id of the vocabulary; T is at most the context length.</param>
    /// <param name="lengths">(R): each sequence's tokens, 1 to T; the head reads at the last one.</param>
    /// <param name="rewards">(R).</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>, while it computes where the engine can stop.</param>
    /// <exception cref="ArgumentException">The lengths of the spans do not fit together.</exception>
    /// <exception cref="PromptTooLongException">T exceeds the context length.</exception>
    /// <exception cref="TokenOutOfRangeException">An id is neither of the vocabulary nor the read-out token.</exception>
    void Run(ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, Span<float> rewards, CancellationToken cancellationToken = default);
}
