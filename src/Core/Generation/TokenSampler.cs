namespace MLNet.Gpt;

/// <summary>Chooses the next token from V logits, as <see cref="GenerationOptions"/> say.</summary>
/// <remarks>What depends on the tokens before (counts, runs), on when a sequence ends, and the bias are <see cref="TokenGenerator"/>'s business. Holds scratch memory for V numbers and allocates nothing per token. Belongs to one thread at a time.</remarks>
internal sealed class TokenSampler
{
    private readonly GenerationOptions _options;
    private readonly float[] _scratch;
    private readonly float[] _masses; // for typical sampling alone

    /// <summary>Creates a sampler.</summary>
    /// <param name="options">The options; those about when a sequence ends are not this type's business.</param>
    /// <param name="vocabularySize">V, 1 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public TokenSampler(GenerationOptions options, int vocabularySize)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, 1);
        options.Validate();
        _options = options;
        _scratch = new float[vocabularySize];
        _masses = options.TypicalP < 1 ? new float[vocabularySize] : [];
    }

    /// <summary>Chooses a token: the largest logit with temperature 0, else a draw.</summary>
    /// <param name="logits">(V) logits; overwritten.</param>
    /// <param name="seenTokenIds">The tokens that the repetition penalty applies to, each once.</param>
    /// <param name="random">The sequence's random numbers; one is taken unless greedy.</param>
    /// <exception cref="ArgumentException"><paramref name="logits"/> does not hold V numbers.</exception>
    /// <exception cref="NonFiniteLogitsException">A logit is NaN or +∞, or all are -∞.</exception>
    public int Sample(Span<float> logits, ReadOnlySpan<int> seenTokenIds, ref SampleRandom random)
    {
        CheckLength(logits.Length);
        if (_options.RepetitionPenalty != 1) LogitsProcessing.Penalize(logits, seenTokenIds, _options.RepetitionPenalty);
        if (_options.IsGreedy) return LogitsProcessing.ArgMax(logits);
        Filter(logits);
        return LogitsProcessing.Draw(logits, ref random);
    }

    /// <summary>The distribution that <see cref="Sample"/> draws from; all on one token with temperature 0.</summary>
    /// <param name="logits">(V) logits; overwritten with V probabilities that sum to 1.</param>
    /// <param name="seenTokenIds">The tokens that the repetition penalty applies to, each once.</param>
    /// <exception cref="ArgumentException"><paramref name="logits"/> does not hold V numbers.</exception>
    /// <exception cref="NonFiniteLogitsException">A logit is NaN or +∞, or all are -∞.</exception>
    public void ToProbabilities(Span<float> logits, ReadOnlySpan<int> seenTokenIds)
    {
        CheckLength(logits.Length);
        if (_options.RepetitionPenalty != 1) LogitsProcessing.Penalize(logits, seenTokenIds, _options.RepetitionPenalty);
        if (_options.IsGreedy)
        {
            int choice = LogitsProcessing.ArgMax(logits);
            logits.Clear();
            logits[choice] = 1;
            return;
        }

        Filter(logits);
        double total = LogitsProcessing.Sum(logits);
        foreach (ref float weight in logits)
            weight = (float)(weight / total);
    }

    // Temperature does not change the order, so that top-k may come before it: the result is the same and fewer numbers can tie by rounding.
    private void Filter(Span<float> logits)
    {
        if (_options.TopK > 0) LogitsProcessing.KeepTopK(logits, _options.TopK, _scratch);
        LogitsProcessing.ToWeights(logits, _options.Temperature);
        if (_options.TopP < 1) LogitsProcessing.KeepTopP(logits, _options.TopP, _scratch);
        if (_options.MinP > 0) LogitsProcessing.KeepMinP(logits, _options.MinP);
        if (_options.TypicalP < 1) LogitsProcessing.KeepTypical(logits, _options.TypicalP, _scratch, _masses);
    }

    private void CheckLength(int length)
    {
        if (length != _scratch.Length) throw new ArgumentException($"There are {length} logits; the vocabulary has {_scratch.Length} tokens.", "logits");
    }
}
