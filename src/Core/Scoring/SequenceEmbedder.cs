using System.Numerics.Tensors;

namespace MLNet.Gpt;

/// <summary>Turns token sequences into vectors with a model's last hidden states.</summary>
/// <remarks>Thread-safe. Sequences of like length share a batch; a sequence's vector does not depend on its batch beyond the last bits of floating-point sums.</remarks>
internal static class SequenceEmbedder
{
    // Where a batch's (B, T, C) hidden states would be larger, fewer rows are computed at once.
    private const long MaxHiddenBytes = 256 << 20;

    /// <summary>Embeds sequences.</summary>
    /// <param name="model">The model.</param>
    /// <param name="sequences">The sequences' token ids; an empty one stands for the end-of-text token.</param>
    /// <param name="endOfTextId">The end-of-text token.</param>
    /// <param name="options">Pooling, truncation and batch size; null for the defaults.</param>
    /// <param name="cancellationToken">Looked at before each batch; ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>A vector for each sequence, in order.</returns>
    /// <exception cref="ArgumentException">An option is out of range, or a sequence is null.</exception>
    /// <exception cref="TokenOutOfRangeException">A token id is outside the vocabulary.</exception>
    /// <exception cref="PromptTooLongException">A sequence does not fit the context and <see cref="EmbeddingOptions.Truncation"/> is null.</exception>
    /// <exception cref="HiddenStatesUnavailableException">The model was written without its hidden states.</exception>
    /// <exception cref="UnknownAdapterException">The adapter is not loaded.</exception>
    /// <exception cref="UnsupportedOptionException">An adapter is named, and the model takes none.</exception>
    public static IReadOnlyList<SequenceEmbedding> Embed(
        IHiddenStateModel model, IReadOnlyList<int[]> sequences, int endOfTextId, EmbeddingOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(sequences);
        options ??= new EmbeddingOptions();
        options.Validate();
        GptConfig config = model.Config;
        IModelAdapter? adapter = options.Adapter is { } name ? AdaptedModel.Find(model, name) : null;
        if (adapter is not null && model is not IAdaptableHiddenStateModel)
            throw new UnsupportedOptionException(nameof(options.Adapter), options.Adapter, $"The engine {model.GetType().Name} gives hidden states of the base alone; merge the adapter into the base, or implement {nameof(IAdaptableHiddenStateModel)}.");

        // Rows of like length go together: less is computed for nothing.
        Row[] rows = [.. sequences.Select((tokens, i) => Prepare(tokens, i, endOfTextId, options, config))];
        var results = new SequenceEmbedding[rows.Length];
        int longest = rows.Select(row => row.Tokens.Length).DefaultIfEmpty(1).Max();
        int batchSize = (int)Math.Clamp(MaxHiddenBytes / ((long)longest * config.EmbeddingSize * sizeof(float)), 1, options.BatchSize);
        foreach (Row[] batch in rows.OrderBy(row => row.Tokens.Length).Chunk(batchSize))
        {
            cancellationToken.ThrowIfCancellationRequested();
            EmbedBatch(model, adapter, batch, options, endOfTextId, results, cancellationToken);
        }

        return results;
    }

    private static void EmbedBatch(IHiddenStateModel model, IModelAdapter? adapter, Row[] batch, EmbeddingOptions options, int endOfTextId, SequenceEmbedding[] results, CancellationToken cancellationToken)
    {
        // B rows of T tokens, filled up on the right; C: the vector's size.
        int t = batch[^1].Tokens.Length, c = model.Config.EmbeddingSize;
        int[] ids = new int[batch.Length * t];
        for (int b = 0; b < batch.Length; b++)
        {
            batch[b].Tokens.CopyTo(ids, b * t);
            ids.AsSpan((b * t) + batch[b].Tokens.Length, t - batch[b].Tokens.Length).Fill(endOfTextId);
        }

        var hidden = new float[ids.Length * c];
        if (adapter is null) model.ComputeHiddenStates(ids, batch.Length, hidden, cancellationToken); // (B, T, C)
        else ((IAdaptableHiddenStateModel)model).ComputeHiddenStates(ids, [.. Enumerable.Repeat(adapter, batch.Length)], hidden, cancellationToken);
        for (int b = 0; b < batch.Length; b++)
        {
            Row row = batch[b];
            float[] vector = Pool(hidden.AsSpan(b * t * c, row.Tokens.Length * c), c, options.Pooling);
            if (options.Normalize) ScaleToUnit(vector);
            results[row.Index] = new SequenceEmbedding(vector, row.Tokens.Length, row.Dropped);
        }
    }

    /// <summary>n hidden states, (n, C), to (C).</summary>
    internal static float[] Pool(ReadOnlySpan<float> hidden, int c, EmbeddingPooling pooling)
    {
        if (pooling == EmbeddingPooling.LastToken) return hidden[^c..].ToArray();
        int n = hidden.Length / c;
        var sum = new double[c];
        for (int i = 0; i < hidden.Length; i++) sum[i % c] += hidden[i];
        return [.. sum.Select(value => (float)(value / n))];
    }

    /// <summary>Divides by the Euclidean norm; a vector of zeros stays what it is.</summary>
    internal static void ScaleToUnit(Span<float> vector)
    {
        float norm = TensorPrimitives.Norm<float>(vector);
        if (norm > 0) TensorPrimitives.Divide(vector, norm, vector);
    }

    private static Row Prepare(int[]? tokens, int index, int endOfTextId, EmbeddingOptions options, GptConfig config)
    {
        if (tokens is null) throw new ArgumentException($"Sequence {index} is null; pass an empty one to embed the end-of-text token.", "sequences");
        for (int i = 0; i < tokens.Length; i++)
        {
            if ((uint)tokens[i] >= (uint)config.VocabularySize) throw new TokenOutOfRangeException(tokens[i], config.VocabularySize, $"sequence {index}, position {i}");
        }

        if (tokens.Length == 0) return new(index, [endOfTextId], 0);
        int limit = config.ContextLength, excess = tokens.Length - limit;
        if (excess <= 0) return new(index, tokens, 0);
        int[] kept = options.Truncation switch
        {
            TextTruncation.Head => tokens[..limit],
            TextTruncation.Tail => tokens[excess..],
            TextTruncation.HeadAndTail => [.. tokens[..((limit + 1) / 2)], .. tokens[^(limit / 2)..]],
            _ => throw new PromptTooLongException(tokens.Length, limit, $"Cut sequence {index}, or set {nameof(EmbeddingOptions.Truncation)} to the part that stays."),
        };
        return new(index, kept, excess);
    }

    private sealed record Row(int Index, int[] Tokens, int Dropped);
}
