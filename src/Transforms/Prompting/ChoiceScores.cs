namespace MLNet.Gpt;

/// <summary>How likely a model finds each of a question's candidate answers.</summary>
/// <remarks>Immutable; may be shared between threads.</remarks>
public sealed record ChoiceScores
{
    internal ChoiceScores(IReadOnlyList<string> choices, IReadOnlyList<double> logLikelihoods, IReadOnlyList<int> tokenCounts, IReadOnlyList<double> scores, IReadOnlyList<bool> isGreedy)
    {
        Choices = choices;
        LogLikelihoods = logLikelihoods;
        TokenCounts = tokenCounts;
        Scores = scores;
        IsGreedy = isGreedy;
        for (int i = 1; i < scores.Count; i++)
        {
            if (scores[i] > scores[BestIndex]) BestIndex = i;
        }
    }

    /// <summary>The candidates.</summary>
    public IReadOnlyList<string> Choices { get; }

    /// <summary>ln p(answer | prompt) of each, in nats.</summary>
    public IReadOnlyList<double> LogLikelihoods { get; }

    /// <summary>How many tokens each has, the separator's included.</summary>
    public IReadOnlyList<int> TokenCounts { get; }

    /// <summary>Whether greedy decoding would write it, separator and all.</summary>
    public IReadOnlyList<bool> IsGreedy { get; }

    /// <summary>What they are ranked by: the log-likelihoods after <see cref="ScoreChoicesOptions.Normalization"/>.</summary>
    public IReadOnlyList<double> Scores { get; }

    /// <summary>The candidate with the largest score; of equal ones the first.</summary>
    public int BestIndex { get; }

    /// <summary>exp(score) of each, scaled so that they sum to 1: the model's probabilities among the candidates where nothing is normalised.</summary>
    public IReadOnlyList<double> Probabilities()
    {
        double best = Scores[BestIndex];
        double[] weights = [.. Scores.Select(score => Math.Exp(score - best))];
        double total = weights.Sum();
        return [.. weights.Select(weight => weight / total)];
    }
}
