namespace MLNet.Gpt;

/// <summary>Beam search for one prompt.</summary>
internal static class BeamSearch
{
    /// <summary>Searches.</summary>
    /// <param name="step">The call's options and model.</param>
    /// <param name="prompt">The prompt's row, which has no token yet.</param>
    /// <returns>The best sequences, the best first: <see cref="GenerationOptions.SamplesPerPrompt"/>, or fewer where the model knows fewer.</returns>
    /// <exception cref="TokenConstraintException">Nothing may follow any of the beams, and no sequence has ended.</exception>
    public static IReadOnlyList<GenerationRow> Run(GenerationStep step, GenerationRow prompt)
    {
        GenerationOptions options = step.Options;
        if (prompt.Mask is not (null or IForkableTokenMask))
            throw new UnsupportedOptionException(nameof(options.BeamCount), options.BeamCount, $"The constraint's masks are no {nameof(IForkableTokenMask)}, so that a beginning can't go on in several ways; implement it, or set {nameof(options.BeamCount)} to 1.");
        int beams = options.BeamCount, vocabulary = step.Model.Config.VocabularySize, candidates = beams * (1 + Math.Max(1, step.StopTokens.Length));
        float[] logits = new float[beams * vocabulary];

        // 1. The prompt, once.
        step.CancellationToken.ThrowIfCancellationRequested();
        using ICausalDecoder decoder = step.Model.BeginDecoding(1, prompt.Prompt.Length + prompt.Limit - 1);
        decoder.Append(prompt.Prompt, default, LogitsScope.LastPosition, logits.AsSpan(0, vocabulary), step.CancellationToken); // (1, V)

        List<(GenerationRow Row, double Sum)> live = [(prompt, 0)];
        List<GenerationRow> ended = []; // the best first
        while (true)
        {
            // 2. The best continuations of all beams, by log-probability: enough of them that as many go on as there are beams, whatever the others end with.
            var best = new PriorityQueue<(int Beam, int Token, double Sum), (double Sum, int Beam, int Token)>(Comparer<(double Sum, int Beam, int Token)>.Create(
                static (a, b) => a.Sum != b.Sum ? a.Sum.CompareTo(b.Sum) : a.Beam != b.Beam ? b.Beam.CompareTo(a.Beam) : b.Token.CompareTo(a.Token)));
            var told = new StepDistribution?[live.Count];
            for (int beam = 0; beam < live.Count; beam++)
            {
                Span<float> all = logits.AsSpan(beam * vocabulary, vocabulary), row = all[..step.Choices];
                if (options.TopLogProbabilities is not null) told[beam] = step.Told(all);
                if (!step.TryToLogProbabilities(live[beam].Row, row)) continue; // nothing may follow it: the others go on
                foreach ((int token, float log) in LogitsProcessing.Largest(row, candidates))
                {
                    if (float.IsNegativeInfinity(log)) break;
                    double sum = live[beam].Sum + log;
                    if (best.Count < candidates) best.Enqueue((beam, token, sum), (sum, beam, token));
                    else best.EnqueueDequeue((beam, token, sum), (sum, beam, token));
                }
            }

            // 3. Those that end here, where they are among the best, and those that go on.
            (int Beam, int Token, double Sum)[] ranked = new (int, int, double)[best.Count];
            for (int i = ranked.Length - 1; i >= 0; i--) ranked[i] = best.Dequeue();
            List<(GenerationRow Row, double Sum)> next = [];
            List<int> parents = [], tokens = [];
            int going = 0;
            for (int rank = 0; rank < ranked.Length && going < beams; rank++)
            {
                (int beam, int token, double sum) = ranked[rank];
                bool stops = step.StopTokens.AsSpan().Contains(token);
                if (stops && rank >= beams) continue;
                GenerationRow row = live[beam].Row.Fork();
                if (stops)
                {
                    (row.FinishReason, row.StopTokenId) = (FinishReason.StopToken, token);
                    End(row, sum, row.Tokens.Count + 1);
                    continue;
                }

                going++;
                if (told[beam] is { } distribution) row.LogProbabilities!.Add(distribution.Of(token));
                step.Accept(row, token);
                if (row.FinishReason is not null)
                {
                    End(row, sum, row.Tokens.Count);
                    continue;
                }

                next.Add((row, sum));
                parents.Add(beam);
                tokens.Add(token);
            }

            foreach (StepDistribution? one in told) one?.Dispose();

            // 4. The end: no beam is left, or none can become better than the worst of the best. Sums only fall, and a longer sequence divides by more.
            if (next.Count == 0 && ended.Count == 0) throw step.NothingLeft(live[0].Row);
            live = next;
            if (live.Count == 0) break;
            if (ended.Count == beams)
            {
                int length = options.LengthPenalty > 0 ? prompt.Limit : live[0].Row.Tokens.Count + 1;
                if (Score(live.Max(static beam => beam.Sum), length) <= ended[^1].Score) break;
            }

            decoder.SelectRows(parents.ToArray());
            step.CancellationToken.ThrowIfCancellationRequested();
            decoder.Append(tokens.ToArray(), default, LogitsScope.LastPosition, logits.AsSpan(0, live.Count * vocabulary), step.CancellationToken); // (B, V)
        }

        // 5. The results, in order.
        GenerationRow[] results = [.. ended.Take(options.SamplesPerPrompt).Select((row, index) => row.AsSample(index))];
        foreach (GenerationRow row in results) Report(step, row);
        return results;

        double Score(double sum, int length) => sum / Math.Pow(length, options.LengthPenalty);

        void End(GenerationRow row, double sum, int length)
        {
            row.Score = Score(sum, length);
            int place = ended.FindIndex(other => other.Score < row.Score);
            ended.Insert(place < 0 ? ended.Count : place, row);
            if (ended.Count > beams) ended.RemoveAt(beams);
        }
    }

    private static void Report(GenerationStep step, GenerationRow row)
    {
        for (int i = 0; i < row.Tokens.Count && step.OnToken is not null; i++)
            step.OnToken(new GeneratedToken(row.PromptIndex, row.SampleIndex, i, row.Tokens[i], i == row.Tokens.Count - 1 ? row.Matcher?.ByteCount ?? 0 : 0) { LogProbability = row.LogProbabilities?[i] });
    }
}
