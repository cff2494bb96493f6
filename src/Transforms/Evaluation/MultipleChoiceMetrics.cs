using System.Globalization;

namespace MLNet.Gpt;

/// <summary>How often the right answer was found the likeliest; names and rules are those of EleutherAI's lm-evaluation-harness.</summary>
/// <remarks>Immutable; may be shared between threads. A standard error is the sample's standard deviation (n - 1) divided by √n; NaN for fewer than two questions.</remarks>
public sealed record MultipleChoiceMetrics
{
    private readonly double[][] _values; // by measure and question

    internal MultipleChoiceMetrics(IReadOnlyList<MultipleChoiceOutcome> outcomes, IReadOnlyList<QuestionProblem> problems)
    {
        Count = outcomes.Count;
        Problems = problems;
        _values =
        [
            [.. outcomes.Select(static outcome => Of(outcome.Plain))], [.. outcomes.Select(static outcome => Of(outcome.PerCharacter))], [.. outcomes.Select(static outcome => Of(outcome.PerByte))],
            [.. outcomes.Select(static outcome => outcome.MutualInformation is { } right ? Of(right) : double.NaN)], [.. outcomes.Select(static outcome => Of(outcome.Greedy))],
            [.. outcomes.Select(static outcome => outcome.Brier).Where(static brier => !double.IsNaN(brier))],
        ];
        (Accuracy, AccuracyStandardError) = Mean(_values[0]);
        (NormalizedAccuracy, NormalizedAccuracyStandardError) = Mean(_values[1]);
        (ByteNormalizedAccuracy, ByteNormalizedAccuracyStandardError) = Mean(_values[2]);
        (MutualInformationAccuracy, MutualInformationAccuracyStandardError) = Mean(_values[3]);
        (GreedyMatch, GreedyMatchStandardError) = Mean(_values[4]);
        (BrierScore, BrierScoreStandardError) = Mean(_values[5]);

        static double Of(bool right) => right ? 1 : 0;
    }

    /// <summary>n: the questions that were scored.</summary>
    public int Count { get; }

    /// <summary>The rows with something wrong: those that could not be scored, which are left out, and those whose right answer is none of their answers, which count as answered wrong.</summary>
    public IReadOnlyList<QuestionProblem> Problems { get; }

    /// <summary>acc: the share of questions whose right answer has the largest ln p(answer | prompt); of equal ones the first counts as the largest.</summary>
    public double Accuracy { get; }

    /// <summary>The standard error of <see cref="Accuracy"/>.</summary>
    public double AccuracyStandardError { get; }

    /// <summary>acc_norm: the same after division by the answer's number of characters (code points, without the separator).</summary>
    public double NormalizedAccuracy { get; }

    /// <summary>The standard error of <see cref="NormalizedAccuracy"/>.</summary>
    public double NormalizedAccuracyStandardError { get; }

    /// <summary>acc_bytes: the same after division by the answer's number of UTF-8 bytes (without the separator).</summary>
    public double ByteNormalizedAccuracy { get; }

    /// <summary>The standard error of <see cref="ByteNormalizedAccuracy"/>.</summary>
    public double ByteNormalizedAccuracyStandardError { get; }

    /// <summary>
    /// acc_mutual_info: the share of questions whose right answer has the largest ln p(answer | prompt) - ln p(answer), the latter without any prompt. NaN unless
    /// <see cref="ScoreChoicesOptions.Normalization"/> is <see cref="ChoiceNormalization.Unconditional"/>, since it doubles the work.
    /// </summary>
    public double MutualInformationAccuracy { get; }

    /// <summary>The standard error of <see cref="MutualInformationAccuracy"/>.</summary>
    public double MutualInformationAccuracyStandardError { get; }

    /// <summary>exact_match: the share of questions whose right answer greedy decoding would write.</summary>
    public double GreedyMatch { get; }

    /// <summary>The standard error of <see cref="GreedyMatch"/>.</summary>
    public double GreedyMatchStandardError { get; }

    /// <summary>
    /// brier_score: the mean of Σ (p(answer) - [it is right])² over a question's answers, p being the softmax of the log-likelihoods; 0 is certainty of the right ones, 2 of wrong ones.
    /// Questions whose right answer is none of their answers are left out.
    /// </summary>
    public double BrierScore { get; }

    /// <summary>The standard error of <see cref="BrierScore"/>.</summary>
    public double BrierScoreStandardError { get; }

    /// <summary>The standard errors by the bootstrap: questions are drawn with replacement, as many as there are, and the sample's standard deviation (n - 1) of a measure over all draws is its error.</summary>
    /// <param name="resamples">How many times questions are drawn: 2 or more.</param>
    /// <param name="seed">The seed of the draws; the same one gives the same errors on every machine.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="resamples"/> is below 2.</exception>
    public MultipleChoiceErrors StandardErrors(int resamples = 1_000, int seed = 0, CancellationToken cancellationToken = default)
    {
        double[] errors = [.. _values.Select(values => Bootstrap.StandardErrors(values.Length, resamples, seed, 1, (draws, measures) =>
        {
            double sum = 0;
            foreach (int i in draws) sum += values[i];
            measures[0] = sum / draws.Length;
        }, cancellationToken)[0])];
        return new(errors[0], errors[1], errors[2], errors[3], errors[4], errors[5]);
    }

    /// <summary>A table of the numbers, for people.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"""
        metric               value   stderr   ({Count:N0} questions, {Problems.Count:N0} rows with a problem)
        acc              {Cell(Accuracy),9}{Cell(AccuracyStandardError),9}
        acc_norm         {Cell(NormalizedAccuracy),9}{Cell(NormalizedAccuracyStandardError),9}
        acc_bytes        {Cell(ByteNormalizedAccuracy),9}{Cell(ByteNormalizedAccuracyStandardError),9}
        acc_mutual_info  {Cell(MutualInformationAccuracy),9}{Cell(MutualInformationAccuracyStandardError),9}
        exact_match      {Cell(GreedyMatch),9}{Cell(GreedyMatchStandardError),9}
        brier_score      {Cell(BrierScore),9}{Cell(BrierScoreStandardError),9}
        """);

    // A measure that was not asked for, or a standard error of one question, is none.
    private static string Cell(double value) => double.IsNaN(value) ? "-" : value.ToString("F4", CultureInfo.InvariantCulture);

    private static (double Mean, double StandardError) Mean(double[] values)
    {
        double mean = values.Sum() / values.Length; // 0 / 0 is NaN
        return (mean, values.Length < 2 ? double.NaN : Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Length - 1) / values.Length));
    }
}
