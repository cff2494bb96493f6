using MLNet.Gpt;

namespace ServingApp.Queueing;

/// <summary>Computes several requests' generations in one call of the library.</summary>
internal static class GenerationBatch
{
    /// <summary>Runs to the end of the last answer, or until every request's client has gone.</summary>
    public static void Run(GptModel model, IReadOnlyList<GenerationWork> works, CancellationToken stop)
    {
        // 1. The call ends early when nobody is left.
        using var nobodyLeft = CancellationTokenSource.CreateLinkedTokenSource(stop);
        int present = works.Count;
        CancellationTokenRegistration[] registrations = [.. works.Select(work => work.CancellationToken.Register(() =>
        {
            work.Fail(new OperationCanceledException(work.CancellationToken));
            if (Interlocked.Decrement(ref present) == 0) nobodyLeft.Cancel();
        }))];
        try
        {
            // 2. One set of options; a seed that nobody chose is another each time.
            GenerateTextOptions options = works[0].Options with
            {
                MaxNewTokens = works.Max(static work => work.Options.MaxNewTokens),
                Seed = works[0].HasSeed ? works[0].Options.Seed : Random.Shared.Next(),
                BatchSize = works.Count * works[0].Options.SamplesPerPrompt,
            };
            GptTokenizer tokenizer = model.Tokenizer;
            IReadOnlyList<GeneratedSequence> sequences = model.GenerateSequences(
                [.. works.Select(static work => work.Prompt)], options, token => works[token.PromptIndex].Append(token.SampleIndex, TextOf(token.TokenId), token.SettledByteCount),
                new Departures(works, tokenizer.EndOfTextId), nobodyLeft.Token);

            // 3. Each answer's last piece. One that Departures ended had all the tokens that it asked for.
            foreach (GeneratedSequence sequence in sequences)
            {
                GenerationWork work = works[sequence.PromptIndex];
                bool full = sequence.TokenIds.Count == work.Options.MaxNewTokens && sequence.FinishReason == FinishReason.StopToken;
                work.End(sequence.SampleIndex, sequence.TextByteCount!.Value, full ? FinishReason.MaxNewTokens : sequence.FinishReason);
            }

            foreach (GenerationWork work in works) work.Complete();

            // As the library counts bytes with SkipSpecialTokens.
            ReadOnlySpan<byte> TextOf(int id) => tokenizer.IsSpecialToken(id) ? default : tokenizer.GetTokenBytes(id).Span;
        }
        finally
        {
            foreach (CancellationTokenRegistration registration in registrations) registration.Dispose();
        }
    }

    /// <summary>
    /// Each request's own form of answers; and the end of the sequences of a request whose client has gone, or that has all its tokens, while the batch goes on: only the end-of-text token may
    /// come next.
    /// </summary>
    private sealed class Departures(IReadOnlyList<GenerationWork> works, int endOfTextId) : ITokenConstraint
    {
        public ITokenMask Begin(IReadOnlyList<int> promptTokenIds, IReadOnlyList<int> stopTokenIds)
        {
            GenerationWork work = works.First(work => ReferenceEquals(work.Prompt, promptTokenIds));
            return new Mask(work, work.Constraint?.Begin(promptTokenIds, stopTokenIds), endOfTextId);
        }

        private sealed class Mask(GenerationWork work, ITokenMask? form, int endOfTextId) : ITokenMask
        {
            public void Apply(ReadOnlySpan<int> newTokenIds, Span<float> logits)
            {
                if (newTokenIds.Length < work.Options.MaxNewTokens && !work.CancellationToken.IsCancellationRequested)
                {
                    form?.Apply(newTokenIds, logits);
                    return;
                }

                logits.Fill(float.NegativeInfinity);
                logits[endOfTextId] = 0;
            }
        }
    }
}
