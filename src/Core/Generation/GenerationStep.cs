using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace MLNet.Gpt;

/// <summary>What every step of a call needs, and the parts of a step that drawing and beam search share.</summary>
internal sealed record GenerationStep(
    ICausalModel Model,
    GenerationOptions Options,
    int[] StopTokens,
    TokenBytes? TokenBytes,
    Action<GeneratedToken>? OnToken,
    TokenSampler Sampler,
    int Choices,
    CancellationToken CancellationToken)
{
    private readonly float[] _scratch = new float[Model.Config.VocabularySize];

    /// <summary>Told of each row that has ended, but for beams; null for nobody.</summary>
    public Action<GenerationRow>? OnEnd { get; init; }

    private readonly StopStringMatcher _matcher = new(Options.StopStrings);

    /// <summary>A sequence that begins behind a prompt.</summary>
    public GenerationRow Row(int promptIndex, int sampleIndex, int[] prompt, ITokenConstraint? constraint) =>
        new(promptIndex, sampleIndex, prompt, Options, Model.Config, Choices, TokenBytes is null ? null : _matcher.Fresh(), constraint?.Begin(prompt, StopTokens));

    /// <summary>The adapter that the sequences are computed with; null for none.</summary>
    public IModelAdapter? Adapter => (Model as AdaptedModel)?.Adapter;

    /// <summary>A decoder whose state can be cut back and joined with another's.</summary>
    /// <param name="model">The model.</param>
    /// <param name="adapters">Each row's adapter; null for none.</param>
    /// <param name="capacity">The most positions.</param>
    /// <exception cref="UnsupportedOptionException">The model's engine has none.</exception>
    public static IForkableDecoder BeginForkable(ICausalModel model, IReadOnlyList<IModelAdapter?> adapters, int capacity)
    {
        ICausalDecoder decoder = adapters.Any(static adapter => adapter is not null) ? ((IAdaptableModel)model).BeginDecoding(adapters, capacity) : model.BeginDecoding(adapters.Count, capacity);
        if (decoder is IForkableDecoder forkable) return forkable;
        decoder.Dispose();
        throw new UnsupportedOptionException("engine", model.GetType().Name, $"Its decoders are no {nameof(IForkableDecoder)}, so that sequences can't join a batch or go on later; generate in batches instead.");
    }

    /// <summary>What the model itself thinks of the next token: over all of its vocabulary, as scores are; told are those that can be chosen.</summary>
    /// <param name="logits">V logits.</param>
    public StepDistribution Told(ReadOnlySpan<float> logits) => new(logits[..Choices], LogitsProcessing.LogSumExp(logits, _scratch), Options.TopLogProbabilities!.Value);

    /// <summary>Constraint, bias and what depends on the tokens before: all but what <see cref="TokenSampler"/> does.</summary>
    /// <exception cref="TokenConstraintException">No token is left.</exception>
    public void Prepare(GenerationRow row, Span<float> logits)
    {
        if (!TryPrepare(row, logits)) throw NothingLeft(row);
    }

    /// <summary>The log-probabilities of a row's next tokens after all filters but the random ones, in place.</summary>
    /// <returns>Whether a token is left.</returns>
    public bool TryToLogProbabilities(GenerationRow row, Span<float> logits)
    {
        if (!TryPrepare(row, logits)) return false;
        if (Options.RepetitionPenalty != 1) LogitsProcessing.Penalize(logits, row.SeenTokens, Options.RepetitionPenalty);
        TensorPrimitives.Subtract(logits, (float)LogitsProcessing.LogSumExp(logits, _scratch), logits);
        return true;
    }

    /// <summary>What is wrong where a row has no token left.</summary>
    public TokenConstraintException NothingLeft(GenerationRow row) => new(row.PromptIndex, row.SampleIndex, [.. row.Tokens], Options, row.Mask is not null);

    private bool TryPrepare(GenerationRow row, Span<float> logits)
    {
        row.Mask?.Apply(CollectionsMarshal.AsSpan(row.Tokens), logits);
        LogitsProcessing.AddBias(logits, Options.LogitBias);
        if (row.Counts is not null) LogitsProcessing.PenalizeCounts(logits, row.Counts, Options.PresencePenalty, Options.FrequencyPenalty);
        if (Options.NoRepeatNgramSize > 0) LogitsProcessing.BanRepeatedNgrams(logits, row.History, Options.NoRepeatNgramSize, StopTokens);
        if (row.Tokens.Count < Options.MinNewTokens)
        {
            foreach (int id in StopTokens)
                logits[id] = float.NegativeInfinity;
        }

        return (row.Mask is null && Options.NoRepeatNgramSize == 0) || !float.IsNegativeInfinity(TensorPrimitives.Max<float>(logits));
    }

    /// <summary>Adds a token that is no stop token, and notes where the row ends with it.</summary>
    public void Accept(GenerationRow row, int token)
    {
        row.Add(token);
        if (TokenBytes is not null && row.Matcher!.Feed(TokenBytes(token))) row.FinishReason = FinishReason.StopString;
        else if (row.Tokens.Count == row.Limit) row.FinishReason = row.Limit == Options.MaxNewTokens ? FinishReason.MaxNewTokens : FinishReason.ContextFull;
    }
}
