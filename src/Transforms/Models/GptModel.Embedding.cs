namespace MLNet.Gpt;

// Embeddings.
public sealed partial class GptModel
{
    /// <summary>Turns texts into vectors.</summary>
    /// <param name="texts">The texts; an empty one stands for <see cref="BeginTokenId"/>.</param>
    /// <param name="options">Pooling, truncation, batch size; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>A vector of <see cref="GptConfig.EmbeddingSize"/> numbers for each text, in order, and what was cut off.</returns>
    /// <exception cref="ArgumentException">An option is out of range, or a text is null.</exception>
    /// <exception cref="PromptTooLongException">A text does not fit the context and <see cref="EmbeddingOptions.Truncation"/> is null.</exception>
    /// <exception cref="HiddenStatesUnavailableException">The model gives no hidden states: an ONNX package of an earlier version or of another exporter.</exception>
    /// <exception cref="UnknownAdapterException">The adapter is not loaded.</exception>
    /// <exception cref="UnsupportedOptionException">An adapter is named, and the model takes none.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public IReadOnlyList<SequenceEmbedding> Embed(IReadOnlyList<string> texts, EmbedTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new EmbedTextOptions();
        return EmbedTokens(EncodeAll(texts, options.SpecialTokens, cancellationToken), options, cancellationToken);
    }

    /// <summary>Turns sequences of tokens into vectors.</summary>
    /// <param name="sequences">The sequences' token ids, such as <see cref="Tokenizer"/> gives; an empty one stands for <see cref="BeginTokenId"/>.</param>
    /// <param name="options">Pooling, truncation, batch size; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>A vector of <see cref="GptConfig.EmbeddingSize"/> numbers for each sequence, in order, and what was cut off.</returns>
    /// <exception cref="ArgumentException">An option is out of range, or a sequence is null.</exception>
    /// <exception cref="TokenOutOfRangeException">A token is none of the model's.</exception>
    /// <exception cref="PromptTooLongException">A sequence does not fit the context and <see cref="EmbeddingOptions.Truncation"/> is null.</exception>
    /// <exception cref="HiddenStatesUnavailableException">The model gives no hidden states: an ONNX package of an earlier version or of another exporter.</exception>
    /// <exception cref="UnknownAdapterException">The adapter is not loaded.</exception>
    /// <exception cref="UnsupportedOptionException">An adapter is named, and the model takes none.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public IReadOnlyList<SequenceEmbedding> EmbedTokens(IReadOnlyList<int[]> sequences, EmbeddingOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        using NativeLease lease = _lifetime.Acquire();
        IHiddenStateModel engine = Engine as IHiddenStateModel ?? throw new HiddenStatesUnavailableException(
            Engine.GetType().Name, $"it does not implement {nameof(IHiddenStateModel)}.", $"Use {nameof(OnnxCausalModel)} or another engine that does.");
        return SequenceEmbedder.Embed(engine, sequences, BeginTokenId, options, cancellationToken);
    }
}
