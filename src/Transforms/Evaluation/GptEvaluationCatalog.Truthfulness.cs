namespace MLNet.Gpt;

// TruthfulQA.
public sealed partial class GptEvaluationCatalog
{
    /// <summary>Measures truthfulness by the likelihoods of TruthfulQA's answers: MC1 and MC2 (Lin et al. 2022).</summary>
    /// <param name="questions">The questions: <see cref="TruthfulQaQuestion.Load"/>.</param>
    /// <param name="model">The model.</param>
    /// <param name="promptTemplate">
    /// What an answer follows, a space between, with "{Question}" in it. Null means "Q: {Question}\nA:". The authors' own numbers have six other questions with their answers before it, a
    /// blank line after each.
    /// </param>
    /// <param name="options">Separator, batch size, memory and special tokens; null for the defaults. The candidates and columns that they name are not read.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ArgumentException">There is no question, the template lacks its field, or an option is out of range.</exception>
    /// <exception cref="UnknownCharacterException">The tokenizer has no token for a character of a question.</exception>
    public TruthfulQaMetrics TruthfulQa(IReadOnlyList<TruthfulQaQuestion> questions, GptModel model, string? promptTemplate = null, ScoreChoicesOptions? options = null, CancellationToken cancellationToken = default)
    {
        const string Field = "{Question}";
        ArgumentNullException.ThrowIfNull(questions);
        ArgumentNullException.ThrowIfNull(model);
        promptTemplate ??= $"Q: {Field}\nA:";
        if (questions.Count == 0) throw new ArgumentException("There is no question; give one or more.", nameof(questions));
        if (!promptTemplate.Contains(Field, StringComparison.Ordinal)) throw new ArgumentException($"The template \"{promptTemplate}\" has no {Field}; put it where the question belongs.", nameof(promptTemplate));
        options = (options ?? new ScoreChoicesOptions()) with { Normalization = ChoiceNormalization.None };
        var scores = new List<TruthfulQaScore>();
        foreach (TruthfulQaQuestion[] batch in questions.Chunk(RowsAtOnce))
        {
            IReadOnlyList<ChoiceScores> found = model.ScoreChoices(
                [.. batch.Select(one => promptTemplate.Replace(Field, one.Question, StringComparison.Ordinal))], [.. batch.Select(static one => (IReadOnlyList<string>)[one.BestAnswer, .. one.CorrectAnswers, .. one.IncorrectAnswers])], options, cancellationToken);
            foreach ((TruthfulQaQuestion question, ChoiceScores choice) in batch.Zip(found))
            {
                double[] likelihoods = [.. choice.LogLikelihoods.Select(static one => (double)one)];
                int right = question.CorrectAnswers.Count;
                scores.Add(TruthfulQaScore.Of(question, likelihoods[0], likelihoods[1..(1 + right)], likelihoods[(1 + right)..]));
            }
        }

        return new(scores);
    }
}
