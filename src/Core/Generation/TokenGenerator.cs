using System.Runtime.InteropServices;

namespace MLNet.Gpt;

/// <summary>Continues prompts with a causal language model, whichever engine computes it. Knows tokens, not text.</summary>
/// <remarks>
/// Thread-safe. Prompts of unequal length share a batch by left padding, and a sequence leaves the batch when it ends.
/// The draws do not depend on the batch. The logits do in their last bits, as floating-point sums do, so that a draw may come out differently in
/// another batch where two tokens are equal to within that error.
/// </remarks>
internal static class TokenGenerator
{
    /// <summary>Generates one sequence, or <see cref="GenerationOptions.SamplesPerPrompt"/>, for each prompt.</summary>
    /// <param name="model">The model.</param>
    /// <param name="prompts">The prompts' token ids. An empty prompt begins with the end-of-text token.</param>
    /// <param name="options">How tokens are chosen and when a sequence ends.</param>
    /// <param name="endOfTextId">The tokenizer's end-of-text token; null where it has none: an empty prompt is an error then, and there is no such token to stop at.</param>
    /// <param name="tokenBytes">The bytes of a token; needed for <see cref="GenerationOptions.StopStrings"/>, else only for the byte counts of the results.</param>
    /// <param name="tokenCount">
    /// How many tokens the tokenizer has, where the model's vocabulary is padded beyond that: ids from this on are never sampled. Null for all of the model's vocabulary.
    /// </param>
    /// <param name="onToken">Called for each token as soon as it is sampled (not for stop tokens), from the calling thread; with beams, for the tokens of each result when the search has ended.</param>
    /// <param name="constraint">Says which tokens may come next, before all filters; null for no constraint.</param>
    /// <param name="cancellationToken">Looked at before each step and, where the engine can stop, within one; ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>The sequences: those of the first prompt, of the second, and so on.</returns>
    /// <exception cref="ArgumentException">An option is out of range, stop strings come without <paramref name="tokenBytes"/>, or a prompt is null, or empty with no end-of-text token.</exception>
    /// <exception cref="TokenOutOfRangeException">A token id is outside the vocabulary.</exception>
    /// <exception cref="PromptTooLongException">A prompt is longer than the context and <see cref="GenerationOptions.PromptOverflow"/> is <see cref="PromptOverflow.Error"/>.</exception>
    /// <exception cref="NonFiniteLogitsException">The model computed NaN.</exception>
    /// <exception cref="UnsupportedOptionException">Beam search comes with a constraint whose masks are no <see cref="IForkableTokenMask"/>.</exception>
    /// <exception cref="TokenConstraintException">The constraint left no token that could come next.</exception>
    public static IReadOnlyList<GeneratedSequence> Generate(
        ICausalModel model,
        IReadOnlyList<int[]> prompts,
        GenerationOptions options,
        int? endOfTextId,
        TokenBytes? tokenBytes = null,
        int? tokenCount = null,
        Action<GeneratedToken>? onToken = null,
        ITokenConstraint? constraint = null,
        CancellationToken cancellationToken = default) =>
        Generate(model, prompts, options, endOfTextId, tokenBytes, tokenCount, onToken, constraint, firstDraws: null, cancellationToken);

    /// <summary>The same, where a prompt may come more than once.</summary>
    /// <param name="model">As above.</param>
    /// <param name="prompts">As above.</param>
    /// <param name="options">As above.</param>
    /// <param name="endOfTextId">As above.</param>
    /// <param name="tokenBytes">As above.</param>
    /// <param name="tokenCount">As above.</param>
    /// <param name="onToken">As above.</param>
    /// <param name="constraint">As above.</param>
    /// <param name="firstDraws">For each prompt what its samples' indices count on from where numbers are drawn, so that equal prompts get other numbers; null for 0.</param>
    /// <param name="cancellationToken">As above.</param>
    /// <param name="onSequence">Called for each sequence as soon as it has ended, from the calling thread; with beams, when the search of its prompt has. Null for no calls.</param>
    internal static IReadOnlyList<GeneratedSequence> Generate(
        ICausalModel model,
        IReadOnlyList<int[]> prompts,
        GenerationOptions options,
        int? endOfTextId,
        TokenBytes? tokenBytes,
        int? tokenCount,
        Action<GeneratedToken>? onToken,
        ITokenConstraint? constraint,
        IReadOnlyList<int>? firstDraws,
        CancellationToken cancellationToken,
        Action<GeneratedSequence>? onSequence = null)
    {
        // 1. Check everything before anything is computed.
        ArgumentNullException.ThrowIfNull(prompts);
        GenerationStep step = Begin(model, options, endOfTextId, tokenBytes, tokenCount, onToken, cancellationToken) with { OnEnd = onSequence is null ? null : row => onSequence(row.ToSequence()) };

        // 2. One row for each sequence.
        var rows = new List<GenerationRow>(prompts.Count * options.SamplesPerPrompt);
        for (int i = 0; i < prompts.Count; i++)
        {
            int[] prompt = PreparePrompt(prompts[i], i, options, model.Config, endOfTextId);
            for (int sample = 0; sample < options.SamplesPerPrompt; sample++)
            {
                GenerationRow row = step.Row(i, sample, prompt, constraint);
                if (firstDraws is not null) row.Random = new SampleRandom(options.Seed, firstDraws[i] + sample, prompt);
                rows.Add(row);
            }
        }

        // 3. Batch after batch. Rows of like length go together: less padding.
        int batchSize = options.PromptLookupTokens > 0 ? 1 : MostRows(options.BatchSize, model.Config.VocabularySize);
        if (options.BeamCount > 1)
        {
            var found = new List<GeneratedSequence>(rows.Count);
            foreach (GenerationRow row in rows.Where(static row => row.SampleIndex == 0))
            {
                GeneratedSequence[] best = [.. BeamSearch.Run(step, row).Select(static beam => beam.ToSequence())];
                foreach (GeneratedSequence one in best) onSequence?.Invoke(one);
                found.AddRange(best);
            }

            return found;
        }

        foreach (GenerationRow[] batch in rows.OrderBy(row => row.Prompt.Length).Chunk(batchSize))
            RunBatch(step, batch);
        return [.. rows.Select(row => row.ToSequence())];
    }

    /// <summary>What every step of a call needs.</summary>
    /// <exception cref="ArgumentException">An option is out of range, or stop strings come without <paramref name="tokenBytes"/>.</exception>
    /// <exception cref="TokenOutOfRangeException">A token that ends the output, or that has a bias, is outside the vocabulary.</exception>
    /// <exception cref="UnknownAdapterException">The adapter is not loaded.</exception>
    /// <exception cref="UnsupportedOptionException">An adapter is named, and the model takes none.</exception>
    internal static GenerationStep Begin(
        ICausalModel model, GenerationOptions options, int? endOfTextId, TokenBytes? tokenBytes, int? tokenCount, Action<GeneratedToken>? onToken, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (options.StopStrings.Count > 0 && tokenBytes is null)
            throw new ArgumentException("StopStrings are set, and text is needed to find them; pass tokenBytes, or use StopTokenIds.", nameof(tokenBytes));
        int vocabulary = model.Config.VocabularySize, choices = tokenCount ?? vocabulary;
        if (choices < 1 || choices > vocabulary)
            throw new ArgumentOutOfRangeException(nameof(tokenCount), tokenCount, $"tokenCount is {tokenCount}; it must be 1 to {vocabulary}, the model's vocabulary.");
        foreach (int id in options.LogitBias.Keys)
        {
            if (id >= choices) throw new TokenOutOfRangeException(id, choices, nameof(GenerationOptions.LogitBias));
        }

        return new(AdaptedModel.Of(model, options.Adapter), options, StopTokens(options, endOfTextId, choices), tokenBytes, onToken, new TokenSampler(options, choices), choices, cancellationToken);
    }

    private static void RunBatch(GenerationStep step, GenerationRow[] batch)
    {
        // B rows over B' distinct prompts, each of which is computed once; P: the longest prompt; V: the vocabulary.
        List<GenerationRow> distinct = [];
        int[] promptOfRow = new int[batch.Length];
        for (int r = 0; r < batch.Length; r++)
        {
            if (distinct.Count == 0 || distinct[^1].PromptIndex != batch[r].PromptIndex) distinct.Add(batch[r]);
            promptOfRow[r] = distinct.Count - 1;
        }

        int vocabulary = step.Model.Config.VocabularySize;
        int longest = batch[^1].Prompt.Length;
        int capacity = longest + batch.Max(row => row.Limit) - 1; // the last token is never fed
        float[] logits = new float[batch.Length * vocabulary];

        // 1. The prompts, padded on the left.
        step.CancellationToken.ThrowIfCancellationRequested();
        using ICausalDecoder decoder = step.Model.BeginDecoding(distinct.Count, capacity);
        int[] ids = new int[distinct.Count * longest];
        byte[] mask = new byte[ids.Length];
        for (int i = 0; i < distinct.Count; i++)
        {
            int[] prompt = distinct[i].Prompt;
            prompt.CopyTo(ids, ((i + 1) * longest) - prompt.Length);
            mask.AsSpan(((i + 1) * longest) - prompt.Length, prompt.Length).Fill(1);
        }

        bool padded = distinct[0].Prompt.Length != longest;
        decoder.Append(ids, padded ? mask : default, LogitsScope.LastPosition, logits.AsSpan(0, distinct.Count * vocabulary), step.CancellationToken); // (B', V)

        // 2. Several samples of one prompt share what was computed for it. Backwards, since a row never comes before its prompt's.
        if (distinct.Count < batch.Length)
        {
            decoder.SelectRows(promptOfRow);
            for (int r = batch.Length - 1; r >= 0; r--)
                logits.AsSpan(promptOfRow[r] * vocabulary, vocabulary).CopyTo(logits.AsSpan(r * vocabulary)); // (B, V)
        }

        // 3. The rest.
        RunRows(step, batch, decoder, logits);
    }

    /// <summary>Goes on with rows whose prompts have been computed: a token for each row; rows that ended leave; the rest goes on.</summary>
    /// <param name="step">What every step needs.</param>
    /// <param name="batch">The rows; one alone where guesses are asked for.</param>
    /// <param name="decoder">Stands behind their prompts.</param>
    /// <param name="logits">(B, V), of their last positions.</param>
    private static void RunRows(GenerationStep step, GenerationRow[] batch, ICausalDecoder decoder, float[] logits)
    {
        if (step.Options.PromptLookupTokens > 0)
        {
            RunGuessing(step, batch[0], decoder, logits);
            return;
        }

        GenerationRow[] active = [.. batch];
        int[] kept = new int[batch.Length], next = new int[batch.Length];
        int count = batch.Length, vocabulary = step.Model.Config.VocabularySize;
        while (true)
        {
            int remaining = 0;
            for (int r = 0; r < count; r++)
            {
                GenerationRow row = active[r];
                if (!Advance(step, row, logits.AsSpan(r * vocabulary, vocabulary))) continue;
                active[remaining] = row;
                kept[remaining] = r;
                next[remaining++] = row.Tokens[^1];
            }

            if (remaining == 0) return;
            if (remaining < count) decoder.SelectRows(kept.AsSpan(0, remaining));
            count = remaining;
            step.CancellationToken.ThrowIfCancellationRequested();
            decoder.Append(next.AsSpan(0, count), default, LogitsScope.LastPosition, logits.AsSpan(0, count * vocabulary), step.CancellationToken); // (B, V)
        }
    }

    /// <summary>Continues one prompt with a decoder that has seen a part of it.</summary>
    /// <param name="step">What every step needs.</param>
    /// <param name="row">The prompt's row, which has no token yet.</param>
    /// <param name="decoder">Has one row, the prompt's first tokens, fewer than all, and room for the rest and the row's limit.</param>
    internal static void Continue(GenerationStep step, GenerationRow row, ICausalDecoder decoder)
    {
        float[] logits = new float[step.Model.Config.VocabularySize];
        step.CancellationToken.ThrowIfCancellationRequested();
        decoder.Append(row.Prompt.AsSpan(decoder.Length), default, LogitsScope.LastPosition, logits, step.CancellationToken); // (1, V)
        RunRows(step, [row], decoder, logits);
    }

    /// <summary>
    /// Goes on with a row by guesses. Each of its tokens is drawn from the model's own distribution, given the tokens before, as ever; a guess only says for which tokens that distribution is computed in the same pass.
    /// </summary>
    private static void RunGuessing(GenerationStep step, GenerationRow row, ICausalDecoder decoder, float[] logits)
    {
        if (decoder is not IForkableDecoder forkable)
        {
            throw new UnsupportedOptionException(nameof(GenerationOptions.PromptLookupTokens), step.Options.PromptLookupTokens,
                $"The decoders of {step.Model.GetType().Name} are no {nameof(IForkableDecoder)}, and wrong guesses could not be taken back; set it to 0.");
        }

        // n: the token that is sure and those that are guessed; V: the vocabulary.
        int vocabulary = step.Model.Config.VocabularySize, most = MostRows(1 + Math.Min(step.Options.PromptLookupTokens, row.Limit - 1), vocabulary) - 1;
        List<int> tokens = [.. row.Prompt];
        if (!Advance(step, row, logits.AsSpan(0, vocabulary))) return;
        while (true)
        {
            // 1. The last token, and a guess at what follows it. The last token of all is never fed.
            tokens.Add(row.Tokens[^1]);
            int[] fed = [row.Tokens[^1], .. PromptLookup.Guess(CollectionsMarshal.AsSpan(tokens), Math.Min(most, row.Limit - row.Tokens.Count - 1))];
            step.CancellationToken.ThrowIfCancellationRequested();
            if (logits.Length < fed.Length * vocabulary) logits = new float[(1 + most) * vocabulary];
            int before = forkable.Length, right = 0;
            forkable.Append(fed, default, LogitsScope.AllPositions, logits.AsSpan(0, fed.Length * vocabulary), step.CancellationToken); // (n, V)

            // 2. A token for each position, as long as the guess before it was right.
            while (true)
            {
                if (!Advance(step, row, logits.AsSpan(right * vocabulary, vocabulary))) return;
                if (right + 1 == fed.Length || row.Tokens[^1] != fed[right + 1]) break;
                tokens.Add(row.Tokens[^1]);
                right++;
            }

            // 3. What was guessed wrong has never been.
            if (right + 1 < fed.Length) forkable.Truncate(before + 1 + right);
        }
    }

    /// <summary>As many rows as are wanted, or fewer: an array of (rows, V) numbers has to be possible.</summary>
    internal static int MostRows(int wanted, int vocabulary) => Math.Min(wanted, Array.MaxLength / vocabulary);

    /// <summary>Samples a row's next token. Returns whether the row goes on.</summary>
    /// <param name="step">The call.</param>
    /// <param name="row">The row.</param>
    /// <param name="all">V logits; overwritten.</param>
    internal static bool Advance(GenerationStep step, GenerationRow row, Span<float> all)
    {
        using StepDistribution? told = row.LogProbabilities is null ? null : step.Told(all);
        Span<float> logits = all[..step.Choices];
        step.Prepare(row, logits);
        int token = step.Sampler.Sample(logits, row.SeenTokens, ref row.Random);
        if (step.StopTokens.AsSpan().Contains(token))
        {
            row.FinishReason = FinishReason.StopToken;
            row.StopTokenId = token;
            step.OnEnd?.Invoke(row);
            return false;
        }

        TokenLogProbability? thought = told?.Of(token);
        if (thought is not null) row.LogProbabilities!.Add(thought);
        step.Accept(row, token);
        step.OnToken?.Invoke(new GeneratedToken(row.PromptIndex, row.SampleIndex, row.Tokens.Count - 1, token, row.Matcher?.SettledByteCount ?? 0) { LogProbability = thought });
        if (row.FinishReason is null) return true;
        step.OnEnd?.Invoke(row);
        return false;
    }

    private static int[] StopTokens(GenerationOptions options, int? endOfTextId, int vocabulary)
    {
        var tokens = new SortedSet<int>(options.StopTokenIds);
        if (options.StopAtEndOfText && endOfTextId is { } endOfText) tokens.Add(endOfText);
        foreach (int id in tokens)
        {
            if ((uint)id >= (uint)vocabulary)
                throw new TokenOutOfRangeException(id, vocabulary, id == endOfTextId ? "the end-of-text token" : nameof(GenerationOptions.StopTokenIds));
        }

        return [.. tokens];
    }

    internal static int[] PreparePrompt(int[]? prompt, int index, GenerationOptions options, GptConfig config, int? endOfTextId)
    {
        if (prompt is null) throw new ArgumentException($"Prompt {index} is null; pass an empty one to begin with the end-of-text token.", "prompts");
        if (prompt.Length == 0)
        {
            prompt = [endOfTextId ?? throw new ArgumentException($"Prompt {index} is empty, and there is no end-of-text token to begin with; give the prompt a token.", "prompts")];
        }

        for (int i = 0; i < prompt.Length; i++)
        {
            if ((uint)prompt[i] >= (uint)config.VocabularySize)
                throw new TokenOutOfRangeException(prompt[i], config.VocabularySize, $"prompt {index}, position {i}");
        }

        if (options.PromptOverflow == PromptOverflow.KeepTail)
        {
            int room = Math.Max(config.ContextLength - options.MaxNewTokens, (config.ContextLength + 1) / 2);
            return prompt.Length > room ? prompt[^room..] : prompt;
        }

        if (prompt.Length > config.ContextLength)
            throw new PromptTooLongException(prompt.Length, config.ContextLength, $"Shorten prompt {index}, or set {nameof(GenerationOptions.PromptOverflow)} to {nameof(PromptOverflow.KeepTail)}.");
        return prompt;
    }
}
