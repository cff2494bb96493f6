namespace MLNet.Gpt;

/// <summary>A model whose hidden states, too, are computed with LoRA adapters: what embeddings with an adapter are made of.</summary>
/// <remarks>May be used from several threads at once.</remarks>
public interface IAdaptableHiddenStateModel : IAdaptableModel, IHiddenStateModel
{
    /// <summary>As <see cref="IHiddenStateModel.ComputeHiddenStates"/>, each row with an adapter of its own.</summary>
    /// <param name="tokenIds">(B, T) token ids, row-major; the first token of each row has position 0.</param>
    /// <param name="adapters">Each row's adapter, of this model; null for none. B of them, 1 or more.</param>
    /// <param name="hidden">Receives (B, T, C) float32.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>, while it computes where the engine can stop.</param>
    /// <exception cref="ArgumentException">A span's length does not fit, there are no rows, or an adapter is not one of this model's.</exception>
    /// <exception cref="TokenOutOfRangeException">A token id is outside the vocabulary.</exception>
    /// <exception cref="PromptTooLongException">T exceeds the context length.</exception>
    /// <exception cref="HiddenStatesUnavailableException">The model was written without this output.</exception>
    void ComputeHiddenStates(ReadOnlySpan<int> tokenIds, IReadOnlyList<IModelAdapter?> adapters, Span<float> hidden, CancellationToken cancellationToken = default);
}
