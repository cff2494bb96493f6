using System.Numerics.Tensors;

namespace MLNet.Gpt;

/// <summary>Computes how likely a causal language model finds continuations of contexts: ln p(continuation | context).</summary>
/// <remarks>
/// Thread-safe. A context is computed once for its continuations, at most <see cref="ScoringOptions.BatchSize"/> at a time, which then share its keys and values. Where a context and a continuation together have more tokens than
/// the context length and one, the context loses its beginning, as in EleutherAI's lm-evaluation-harness.
/// </remarks>
internal static class ContinuationScorer
{
    /// <summary>Scores continuations.</summary>
    /// <param name="model">The model.</param>
    /// <param name="requests">The contexts and their continuations.</param>
    /// <param name="endOfTextId">The end-of-text token.</param>
    /// <param name="options">
    /// <see cref="ScoringOptions.BatchSize"/> counts continuations; with <see cref="PromptOverflow.Error"/> a context that would have to be cut is an error. Null for the defaults.
    /// </param>
    /// <param name="cancellationToken">Looked at before each chunk and, where the engine can stop, within one; ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>For each request, in order, a score for each of its continuations.</returns>
    /// <exception cref="ArgumentException">An option is out of range, or a continuation is empty or longer than the context length.</exception>
    /// <exception cref="TokenOutOfRangeException">A token id is outside the vocabulary.</exception>
    /// <exception cref="PromptTooLongException">Context and continuation do not fit and <see cref="ScoringOptions.Overflow"/> is <see cref="PromptOverflow.Error"/>.</exception>
    /// <exception cref="NonFiniteLogitsException">The model computed NaN.</exception>
    /// <exception cref="UnknownAdapterException">The adapter is not loaded.</exception>
    /// <exception cref="UnsupportedOptionException">An adapter is named, and the model takes none.</exception>
    public static IReadOnlyList<IReadOnlyList<SequenceScore>> Score(
        ICausalModel model,
        IReadOnlyList<ContinuationRequest> requests,
        int endOfTextId,
        ScoringOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(requests);
        options ??= new ScoringOptions();
        options.Validate();
        model = AdaptedModel.Of(model, options.Adapter);
        GptConfig config = model.Config;
        if ((uint)endOfTextId >= (uint)config.VocabularySize) throw new TokenOutOfRangeException(endOfTextId, config.VocabularySize, "the end-of-text token");

        // 1. One group for each context as the model sees it.
        var results = new Target[requests.Count][];
        var groups = new List<Group>(requests.Count);
        for (int i = 0; i < requests.Count; i++)
        {
            results[i] = [.. requests[i].Continuations.Select(tokens => new Target(new float[tokens.Length]))];
            groups.AddRange(Prepare(requests[i], i, results[i], endOfTextId, options, config));
        }

        // 2. Contexts of like length share a batch, as long as all its rows, filled up, stay within the context length.
        float[] scratch = new float[config.VocabularySize];
        int batchSize = options.RowsFor(config.VocabularySize), count = 0, longest = 0;
        var batch = new List<Group>();
        foreach (Group group in groups.OrderBy(group => group.Context.Length))
        {
            // The contexts come in the order of their lengths: this one is the longest.
            if (batch.Count > 0 && (count + group.Count > batchSize || group.Context.Length + Math.Max(longest, group.Longest) - 1 > config.ContextLength))
            {
                ScoreBatch(model, batch, options.MaxLogitBytes, scratch, cancellationToken);
                batch.Clear();
                (count, longest) = (0, 0);
            }

            batch.Add(group);
            (count, longest) = (count + group.Count, Math.Max(longest, group.Longest));
        }

        if (batch.Count > 0) ScoreBatch(model, batch, options.MaxLogitBytes, scratch, cancellationToken);
        return [.. results.Select(rows => (IReadOnlyList<SequenceScore>)[.. rows.Select(row => new SequenceScore(row.LogProbabilities, row.IsGreedy))])];
    }

    private static void ScoreBatch(ICausalModel model, List<Group> batch, long maxLogitBytes, float[] scratch, CancellationToken cancellationToken)
    {
        // G: contexts; B: continuations; P: the longest context; V: the vocabulary.
        cancellationToken.ThrowIfCancellationRequested();
        int vocabulary = model.Config.VocabularySize;
        int p = batch.Max(group => group.Context.Length), longest = batch.Max(group => group.Longest);
        using ICausalDecoder decoder = model.BeginDecoding(batch.Count, p + longest - 1); // the last token is never fed

        // 1. The contexts, padded on the left. Their last position gives the continuations' first tokens.
        int[] ids = new int[batch.Count * p];
        byte[] mask = new byte[ids.Length];
        for (int g = 0; g < batch.Count; g++)
        {
            int[] context = batch[g].Context;
            context.CopyTo(ids, ((g + 1) * p) - context.Length);
            mask.AsSpan(((g + 1) * p) - context.Length, context.Length).Fill(1);
        }

        var first = new float[batch.Count * vocabulary];
        decoder.Append(ids, mask.AsSpan().Contains((byte)0) ? mask : default, LogitsScope.LastPosition, first, cancellationToken); // (G, V)
        var rows = new List<Row>();
        for (int g = 0; g < batch.Count; g++)
        {
            ReadOnlySpan<float> logits = first.AsSpan(g * vocabulary, vocabulary);
            double normalizer = LogitsProcessing.LogSumExp(logits, scratch);
            foreach ((int[] tokens, Target target) in batch[g].Continuations)
            {
                target.Set(0, logits, tokens[0], normalizer);
                if (tokens.Length > 1) rows.Add(new Row(g, tokens, target));
            }
        }

        // 2. Each continuation on its context's keys and values, the longest first, so that the rows that are through are the last ones. Shorter ones are
        // filled up on the right, where nothing that counts can see it.
        rows.Sort(static (a, b) => b.Tokens.Length - a.Tokens.Length);
        if (rows.Count == 0) return;
        decoder.SelectRows([.. rows.Select(row => row.Group)]);
        int count = rows.Count;
        float[] logitsOfAll = [];
        for (int start = 0; start < longest - 1;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int remaining = count;
            while (rows[remaining - 1].Tokens.Length - 1 <= start) remaining--;
            if (remaining < count)
            {
                count = remaining;
                decoder.SelectRows([.. Enumerable.Range(0, count)]);
            }

            long positions = Math.Max(1, Math.Min(maxLogitBytes / sizeof(float), Array.MaxLength) / ((long)count * vocabulary));
            int n = (int)Math.Min(longest - 1 - start, positions);
            var input = new int[count * n];
            for (int b = 0; b < count; b++)
            {
                for (int i = 0; i < n; i++) input[(b * n) + i] = rows[b].Tokens[Math.Min(start + i, rows[b].Tokens.Length - 1)];
            }

            if (logitsOfAll.Length < count * n * vocabulary) logitsOfAll = new float[count * n * vocabulary];
            decoder.Append(input, default, LogitsScope.AllPositions, logitsOfAll.AsSpan(0, count * n * vocabulary), cancellationToken); // (B, n, V)
            for (int b = 0; b < count; b++)
            {
                int[] tokens = rows[b].Tokens;
                for (int i = 0; i < n && start + i + 1 < tokens.Length; i++)
                {
                    ReadOnlySpan<float> logits = logitsOfAll.AsSpan(((b * n) + i) * vocabulary, vocabulary);
                    rows[b].Target.Set(start + i + 1, logits, tokens[start + i + 1], LogitsProcessing.LogSumExp(logits, scratch));
                }
            }

            start += n;
        }
    }

    private static IEnumerable<Group> Prepare(ContinuationRequest request, int index, Target[] targets, int endOfTextId, ScoringOptions options, GptConfig config)
    {
        if (request.Continuations.Count == 0) yield break;
        int[] context = request.Context.Length == 0 ? [endOfTextId] : request.Context;
        CheckTokens(context, config, $"context {index}");
        for (int i = 0; i < targets.Length; i++)
        {
            int[] tokens = request.Continuations[i];
            if (tokens.Length == 0 || tokens.Length > config.ContextLength)
                throw new ArgumentException($"Continuation {i} of context {index} has {tokens.Length} tokens; it must have 1 to {config.ContextLength}, the context length.", "requests");
            CheckTokens(tokens, config, $"continuation {i} of context {index}");
        }

        // The last token is never fed, so that one more than the context length fits.
        int limit = config.ContextLength + 1;
        int longest = request.Continuations.Max(tokens => tokens.Length);
        if (context.Length + longest <= limit)
        {
            foreach ((int[], Target)[] chunk in request.Continuations.Zip(targets).Chunk(options.RowsFor(config.VocabularySize))) yield return new Group(context, chunk);
            yield break;
        }

        if (options.Overflow == PromptOverflow.Error)
        {
            throw new PromptTooLongException(context.Length + longest, limit,
                $"Shorten context {index}, or set {nameof(ScoringOptions.Overflow)} to {nameof(PromptOverflow.KeepTail)}, which drops its beginning.");
        }

        // Each continuation leaves room for another part of the context.
        for (int i = 0; i < targets.Length; i++)
        {
            int kept = Math.Min(context.Length, limit - request.Continuations[i].Length);
            yield return new Group(context[^kept..], [(request.Continuations[i], targets[i])]);
        }
    }

    private static void CheckTokens(int[] tokens, GptConfig config, string what)
    {
        for (int i = 0; i < tokens.Length; i++)
        {
            if ((uint)tokens[i] >= (uint)config.VocabularySize) throw new TokenOutOfRangeException(tokens[i], config.VocabularySize, $"{what}, position {i}");
        }
    }

    private sealed record Group(int[] Context, (int[] Tokens, Target Target)[] Continuations)
    {
        public int Count => Continuations.Length;

        public int Longest { get; } = Continuations.Max(one => one.Tokens.Length);
    }

    private readonly record struct Row(int Group, int[] Tokens, Target Target);

    /// <summary>What is found out about a continuation.</summary>
    private sealed class Target(float[] logProbabilities)
    {
        public float[] LogProbabilities { get; } = logProbabilities;

        public bool IsGreedy { get; private set; } = true;

        public void Set(int place, ReadOnlySpan<float> logits, int token, double normalizer)
        {
            LogProbabilities[place] = (float)(logits[token] - normalizer);
            IsGreedy = IsGreedy && TensorPrimitives.IndexOfMax(logits) == token;
        }
    }
}
