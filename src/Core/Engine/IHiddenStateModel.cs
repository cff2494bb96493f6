namespace MLNet.Gpt;

/// <summary>A causal model that gives the hidden states behind its logits: what embeddings are made of.</summary>
/// <remarks>May be used from several threads at once.</remarks>
public interface IHiddenStateModel : ICausalModel
{
    /// <summary>
    /// Computes the last hidden states, final LayerNorm included, of rows of equal length. Shorter rows are filled up on the right with any token: no position sees
    /// those behind it.
    /// </summary>
    /// <param name="tokenIds">(B, T) token ids, row-major; the first token of each row has position 0.</param>
    /// <param name="rowCount">B, 1 or more.</param>
    /// <param name="hidden">Receives (B, T, C) float32.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>, while it computes where the engine can stop.</param>
    /// <exception cref="ArgumentException">A span's length does not fit.</exception>
    /// <exception cref="TokenOutOfRangeException">A token id is outside the vocabulary.</exception>
    /// <exception cref="PromptTooLongException">T exceeds the context length.</exception>
    /// <exception cref="HiddenStatesUnavailableException">The model was written without this output.</exception>
    void ComputeHiddenStates(ReadOnlySpan<int> tokenIds, int rowCount, Span<float> hidden, CancellationToken cancellationToken = default);
}
