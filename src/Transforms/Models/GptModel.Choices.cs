using System.Text;

namespace MLNet.Gpt;

// Candidate answers.
public sealed partial class GptModel
{
    /// <summary>Scores candidate answers to prompts by their likelihood (Brown et al. 2020, section 2.4).</summary>
    /// <param name="prompts">The prompts.</param>
    /// <param name="choices">The candidates of each prompt: one or more. Equal ones are scored alike; a blank one is scored where it has tokens together with <see cref="ScoreChoicesOptions.Separator"/>.</param>
    /// <param name="options">How to score; null for the defaults. The candidates that they name are not read, nor are the columns.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>Scores for each prompt, in order.</returns>
    /// <exception cref="ArgumentException">An option is out of range, the two lists have different lengths, or a candidate is null, has no tokens, or more than fit the context.</exception>
    /// <exception cref="PromptTooLongException">A prompt does not fit the context and <see cref="ScoringOptions.Overflow"/> is <see cref="PromptOverflow.Error"/>.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public IReadOnlyList<ChoiceScores> ScoreChoices(
        IReadOnlyList<string> prompts, IReadOnlyList<IReadOnlyList<string>> choices, ScoreChoicesOptions? options = null, CancellationToken cancellationToken = default) =>
        ScoreChoices(prompts, choices, options, static i => $"prompt {i}", cancellationToken);

    /// <summary>The same with names for the prompts in messages.</summary>
    internal IReadOnlyList<ChoiceScores> ScoreChoices(
        IReadOnlyList<string> prompts, IReadOnlyList<IReadOnlyList<string>> choices, ScoreChoicesOptions? options, Func<int, string> nameOf, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(choices);
        options ??= new ScoreChoicesOptions();
        options.ValidateScoring();
        if (prompts.Count != choices.Count) throw new ArgumentException($"There are {prompts.Count} prompts and candidates for {choices.Count}; give as many of both.", nameof(choices));

        // 1. What the prompts make likely.
        var requests = new List<ContinuationRequest>();
        var places = new (int Request, int Continuation)[prompts.Count][];
        for (int i = 0; i < prompts.Count; i++)
        {
            if (prompts[i] is null) throw new ArgumentException($"The text of {nameOf(i)} is null; pass an empty one.", nameof(prompts));
            if (choices[i] is not { Count: > 0 }) throw new ArgumentException($"There are no candidate answers for {nameOf(i)}; give one or more.", nameof(choices));
            cancellationToken.ThrowIfCancellationRequested();
            places[i] = AddRequests(requests, prompts[i], choices[i], options, nameOf(i));
        }

        // 2. What is likely anyway: each candidate once.
        Dictionary<string, (int Request, int Continuation)> anyway = [];
        if (options.Normalization == ChoiceNormalization.Unconditional)
        {
            string[] distinct = [.. choices.SelectMany(list => list).Distinct(StringComparer.Ordinal)];
            foreach ((string choice, (int, int) place) in distinct.Zip(AddRequests(requests, options.AnswerContext, distinct, options, nameof(options.AnswerContext)))) anyway.Add(choice, place);
        }

        // 3. All at once.
        IReadOnlyList<IReadOnlyList<SequenceScore>> scores = ScoreContinuations(requests, options, cancellationToken);
        SequenceScore At((int Request, int Continuation) place) => scores[place.Request][place.Continuation];
        return [.. places.Select((row, i) =>
        {
            SequenceScore[] found = [.. row.Select(At)];
            return new ChoiceScores(
                choices[i],
                [.. found.Select(score => score.LogLikelihood)],
                [.. found.Select(score => score.TokenCount)],
                [.. found.Select((score, c) => options.Normalization switch
                {
                    ChoiceNormalization.PerToken => score.LogLikelihood / score.TokenCount,
                    ChoiceNormalization.PerByte => score.LogLikelihood / Encoding.UTF8.GetByteCount(choices[i][c]),
                    ChoiceNormalization.Unconditional => score.LogLikelihood - At(anyway[choices[i][c]]).LogLikelihood,
                    _ => score.LogLikelihood,
                })],
                [.. found.Select(static score => score.IsGreedy)]);
        })];
    }

    internal IReadOnlyList<IReadOnlyList<SequenceScore>> ScoreContinuations(IReadOnlyList<ContinuationRequest> requests, ScoringOptions options, CancellationToken cancellationToken)
    {
        using NativeLease lease = _lifetime.Acquire();
        return ContinuationScorer.Score(Engine, requests, BeginTokenId, options, cancellationToken);
    }

    // A context's tokens do not depend on what follows it, so that all candidates share one request and so its computation.
    private (int Request, int Continuation)[] AddRequests(List<ContinuationRequest> requests, string prompt, IReadOnlyList<string> choices, ScoreChoicesOptions options, string whose)
    {
        int[] context = [];
        var continuations = new int[choices.Count][];
        for (int c = 0; c < choices.Count; c++)
        {
            if (choices[c] is null) throw new ArgumentException($"Candidate {c} of {whose} is null; give it a text.", nameof(choices));
            (context, continuations[c]) = ContinuationTokens.Encode(Tokenizer, prompt, options.Separator + choices[c], options.SpecialTokens);

            // One token spans the join, so that none is left behind the context's: the continuation is scored as it is encoded alone, as lm-evaluation-harness does.
            if (continuations[c].Length == 0) continuations[c] = Tokenizer.Encode(prompt[prompt.TrimEnd().Length..] + options.Separator + choices[c], options.SpecialTokens);
            if (continuations[c].Length == 0)
                throw new ArgumentException($"Candidate {c}, '{choices[c]}', of {whose} has no tokens: the tokenizer gives it none. Set {nameof(options.Separator)} to a space or a line break.", nameof(choices));
            if (continuations[c].Length > Config.ContextLength)
                throw new ArgumentException($"Candidate {c} of {whose} has {continuations[c].Length} tokens, the separator's included; at most {Config.ContextLength} fit the model's context. Shorten it.", nameof(choices));
        }

        requests.Add(new ContinuationRequest(context, continuations));
        return [.. Enumerable.Range(0, choices.Count).Select(c => (requests.Count - 1, c))];
    }
}
