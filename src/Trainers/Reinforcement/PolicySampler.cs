namespace MLNet.Gpt;

/// <summary>Draws responses from a network as it is now, with a key/value cache, many at a time.</summary>
/// <param name="network">The network, which stays the caller's; its adapter is used where it has one.</param>
/// <param name="tokenizer">Its tokenizer.</param>
/// <param name="endTokens">What ends a response beside the tokenizer's end-of-text token.</param>
/// <param name="options">How many tokens, and at what temperature.</param>
internal sealed class PolicySampler(GptNetwork network, GptTokenizer tokenizer, IReadOnlyList<int> endTokens, RolloutOptions options)
{
    private readonly TorchCausalModel _engine = new(network);   // never disposed: that would dispose the network

    /// <summary>Draws responses.</summary>
    /// <param name="prompts">The prompts; those of the same tokens, of one row or of several, get other responses each time.</param>
    /// <param name="places">Each prompt's place in the set.</param>
    /// <param name="samples">K: responses to each.</param>
    /// <param name="seed">Decides the draws, with the weights alone.</param>
    /// <param name="cancellation">Ends the drawing with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>K responses to the first prompt, K to the second, and so on.</returns>
    /// <exception cref="NonFiniteLogitsException">The network computes NaN.</exception>
    public IReadOnlyList<RolloutRow> Draw(IReadOnlyList<PolicyPrompt> prompts, IReadOnlyList<int> places, int samples, int seed, CancellationToken cancellation)
    {
        var generation = new GenerationOptions
        {
            MaxNewTokens = options.MaxNewTokens,
            Temperature = options.Temperature,
            StopTokenIds = endTokens,
            SamplesPerPrompt = samples,
            BatchSize = options.GenerationBatchSize,
            Seed = seed,
        };

        // Draws depend on the seed, the prompt's tokens and the sample's index: tokens that come again, also as another row's prompt, go on counting.
        var drawn = new Dictionary<string, int>(StringComparer.Ordinal);
        var firsts = new int[prompts.Count];
        for (int i = 0; i < firsts.Length; i++)
        {
            string tokens = string.Join(' ', prompts[i].Tokens);
            firsts[i] = drawn.GetValueOrDefault(tokens);
            drawn[tokens] = firsts[i] + samples;
        }

        bool training = network.Training;
        network.Training = false;
        try
        {
            IReadOnlyList<GeneratedSequence> sequences = TokenGenerator.Generate(_engine, [.. prompts.Select(static prompt => prompt.Tokens)], generation, tokenizer.EndOfTextId,
                tokenBytes: null, tokenizer.VocabularySize, onToken: null, constraint: null, firsts, cancellation);
            return [.. sequences.Select(sequence => new RolloutRow(places[sequence.PromptIndex], prompts[sequence.PromptIndex].Tokens,
                sequence.StopTokenId is { } end ? [.. sequence.TokenIds, end] : [.. sequence.TokenIds], sequence.StopTokenId is not null))];
        }
        finally
        {
            network.Training = training;
        }
    }
}
