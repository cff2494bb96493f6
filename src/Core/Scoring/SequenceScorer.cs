using System.Numerics.Tensors;

namespace MLNet.Gpt;

/// <summary>Computes how likely a causal language model finds given sequences.</summary>
/// <remarks>
/// Thread-safe. The first token is conditioned on the end-of-text token, which stands before every document in training: a sequence of n tokens
/// takes the n positions end-of-text, t₁ … tₙ₋₁ and gets n log-probabilities.
/// </remarks>
internal static class SequenceScorer
{
    /// <summary>Scores sequences.</summary>
    /// <param name="model">The model.</param>
    /// <param name="sequences">The sequences' token ids; an empty one gets an empty score.</param>
    /// <param name="endOfTextId">The end-of-text token.</param>
    /// <param name="options">Batch size and memory; null for the defaults.</param>
    /// <param name="cancellationToken">Looked at before each chunk and, where the engine can stop, within one; ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>A score for each sequence, in order.</returns>
    /// <exception cref="ArgumentException">An option is out of range, or a sequence is null.</exception>
    /// <exception cref="TokenOutOfRangeException">A token id is outside the vocabulary.</exception>
    /// <exception cref="PromptTooLongException">A sequence has more tokens than the context has positions and <see cref="ScoringOptions.Overflow"/> is <see cref="PromptOverflow.Error"/>.</exception>
    /// <exception cref="NonFiniteLogitsException">The model computed NaN.</exception>
    /// <exception cref="UnknownAdapterException">The adapter is not loaded.</exception>
    /// <exception cref="UnsupportedOptionException">An adapter is named, and the model takes none.</exception>
    public static IReadOnlyList<SequenceScore> Score(
        ICausalModel model,
        IReadOnlyList<int[]> sequences,
        int endOfTextId,
        ScoringOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(sequences);
        options ??= new ScoringOptions();
        options.Validate();
        model = AdaptedModel.Of(model, options.Adapter);
        GptConfig config = model.Config;
        if ((uint)endOfTextId >= (uint)config.VocabularySize) throw new TokenOutOfRangeException(endOfTextId, config.VocabularySize, "the end-of-text token");

        // Longest first, so that rows of like length go together and the rows that are through are the last ones.
        var rows = new List<Row>(sequences.Count);
        for (int i = 0; i < sequences.Count; i++)
        {
            int[] tokens = Prepare(sequences[i], i, options, config);
            rows.Add(new Row(tokens, new float[tokens.Length]));
        }

        float[] scratch = new float[config.VocabularySize];
        foreach (Row[] batch in rows.Where(row => row.Tokens.Length > 0).OrderByDescending(row => row.Tokens.Length).Chunk(options.RowsFor(config.VocabularySize)))
            ScoreBatch(model, batch, endOfTextId, options.MaxLogitBytes, scratch, cancellationToken);
        return [.. rows.Select(row => new SequenceScore(row.LogProbabilities, row.IsGreedy))];
    }

    private static void ScoreBatch(ICausalModel model, Row[] batch, int endOfTextId, long maxLogitBytes, float[] scratch, CancellationToken cancellationToken)
    {
        // B: the rows under way; n: the positions of a chunk; V: the vocabulary.
        // Shorter rows are filled up on the right. What is filled in comes after all that counts, where a causal model cannot see it: no mask is needed.
        int vocabulary = model.Config.VocabularySize;
        int longest = batch[0].Tokens.Length;
        int count = batch.Length;
        using ICausalDecoder decoder = model.BeginDecoding(count, longest);
        float[] logits = [];
        int[] ids = [];
        for (int start = 0; start < longest;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int remaining = count;
            while (batch[remaining - 1].Tokens.Length <= start)
                remaining--;
            if (remaining < count)
            {
                count = remaining;
                decoder.SelectRows([.. Enumerable.Range(0, count)]);
            }

            // An array holds at most about 2^31 numbers, whatever the caller allows.
            long positions = Math.Max(1, Math.Min(maxLogitBytes / sizeof(float), Array.MaxLength) / ((long)count * vocabulary));
            int n = (int)Math.Min(longest - start, positions);
            if (logits.Length < count * n * vocabulary) logits = new float[count * n * vocabulary];
            if (ids.Length < count * n) ids = new int[count * n];
            for (int b = 0; b < count; b++)
            {
                for (int i = 0; i < n; i++)
                    ids[(b * n) + i] = Input(batch[b].Tokens, start + i, endOfTextId);
            }

            decoder.Append(ids.AsSpan(0, count * n), default, LogitsScope.AllPositions, logits.AsSpan(0, count * n * vocabulary), cancellationToken); // (B, n, V)
            for (int b = 0; b < count; b++)
            {
                int[] tokens = batch[b].Tokens;
                for (int i = 0; i < n && start + i < tokens.Length; i++)
                {
                    ReadOnlySpan<float> row = logits.AsSpan(((b * n) + i) * vocabulary, vocabulary);
                    batch[b].LogProbabilities[start + i] = (float)(row[tokens[start + i]] - LogitsProcessing.LogSumExp(row, scratch));
                    batch[b].IsGreedy = batch[b].IsGreedy && TensorPrimitives.IndexOfMax(row) == tokens[start + i];
                }
            }

            start += n;
        }
    }

    private static int Input(int[] tokens, int position, int endOfTextId) =>
        position == 0 || position >= tokens.Length ? endOfTextId : tokens[position - 1];

    private static int[] Prepare(int[]? tokens, int index, ScoringOptions options, GptConfig config)
    {
        if (tokens is null) throw new ArgumentException($"Sequence {index} is null; pass an empty one for an empty score.", "sequences");
        for (int i = 0; i < tokens.Length; i++)
        {
            if ((uint)tokens[i] >= (uint)config.VocabularySize)
                throw new TokenOutOfRangeException(tokens[i], config.VocabularySize, $"sequence {index}, position {i}");
        }

        if (tokens.Length <= config.ContextLength) return tokens;
        if (options.Overflow == PromptOverflow.KeepTail) return tokens[^config.ContextLength..];
        throw new PromptTooLongException(tokens.Length, config.ContextLength, $"Cut sequence {index} into shorter ones, or set {nameof(ScoringOptions.Overflow)} to {nameof(PromptOverflow.KeepTail)}.");
    }

    private sealed record Row(int[] Tokens, float[] LogProbabilities)
    {
        public bool IsGreedy { get; set; } = true;
    }
}
