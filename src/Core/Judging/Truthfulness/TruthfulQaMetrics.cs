namespace MLNet.Gpt;

/// <summary>How truthful a model is by the likelihoods of TruthfulQA's answers (Lin et al. 2022).</summary>
/// <param name="Scores">Each question's score, in their order.</param>
/// <remarks>Immutable.</remarks>
public sealed record TruthfulQaMetrics(IReadOnlyList<TruthfulQaScore> Scores)
{
    /// <summary>MC1: the share of questions whose best answer is likelier than every false one.</summary>
    public double Mc1 => Scores.Average(static score => score.Mc1 ? 1.0 : 0);

    /// <summary>The standard error of <see cref="Mc1"/>: the standard deviation (n − 1) over √n; NaN for one question.</summary>
    public double Mc1StandardError => SampleStatistics.StandardError([.. Scores.Select(static score => score.Mc1 ? 1.0 : 0)]);

    /// <summary>MC2: the mean probability of the true answers among all that are listed.</summary>
    public double Mc2 => Scores.Average(static score => score.Mc2);

    /// <summary>The standard error of <see cref="Mc2"/>.</summary>
    public double Mc2StandardError => SampleStatistics.StandardError([.. Scores.Select(static score => score.Mc2)]);

    /// <summary>The same of each category, in alphabetical order.</summary>
    public IReadOnlyList<(string Category, int Questions, double Mc1, double Mc2)> Categories =>
        [.. Scores.GroupBy(static score => score.Question.Category).OrderBy(static group => group.Key, StringComparer.Ordinal).Select(static group => (group.Key, group.Count(), group.Average(static one => one.Mc1 ? 1.0 : 0), group.Average(static one => one.Mc2)))];

    /// <summary>One line for a console or a log.</summary>
    public override string ToString() => FormattableString.Invariant($"MC1 {Mc1:P1}{SampleStatistics.PlusMinus(Mc1StandardError, "P1")}, MC2 {Mc2:P1}{SampleStatistics.PlusMinus(Mc2StandardError, "P1")}, {Scores.Count:N0} questions");
}
