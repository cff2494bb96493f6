namespace MLNet.Gpt;

/// <summary>How well a scorer's order of responses agrees with the grades that people gave them.</summary>
/// <param name="Prompts">The prompts that have a pair of unequal grades.</param>
/// <param name="Pairs">The pairs of unequal grades.</param>
/// <param name="Accuracy">The share of the pairs in which the better response has the higher score; equal scores count half.</param>
/// <param name="Margin">The mean of s⁺ − s⁻, the better response's score less the worse one's.</param>
/// <param name="Loss">−log σ(s⁺ − s⁻), the mean over a prompt's pairs and then over prompts (Ouyang et al. 2022, equation 1), in nats; log 2 is chance.</param>
/// <param name="MinScore">The lowest score.</param>
/// <param name="MeanScore">The mean score.</param>
/// <param name="MaxScore">The highest score.</param>
/// <param name="CalibrationError">The expected calibration error: the mean distance of predicted and observed over the pairs, in [0, 1] (Guo et al. 2017, equation 3).</param>
/// <param name="Calibration">Ten bins of equal width of the predicted probability σ(s_i − s_j), empty ones left out. Each pair is counted from both sides, which makes the picture symmetric.</param>
public sealed record PreferenceMetrics(
    int Prompts, long Pairs, double Accuracy, double Margin, double Loss, double MinScore, double MeanScore, double MaxScore, double CalibrationError, IReadOnlyList<CalibrationBin> Calibration)
{
    private const int BinCount = 10;

    /// <summary>Compares scores with grades.</summary>
    /// <param name="groups">The responses, prompt by prompt.</param>
    /// <exception cref="ArgumentException">A prompt has not as many scores as grades, a number is not finite, or no prompt has two responses of unequal grades.</exception>
    public static PreferenceMetrics Of(IEnumerable<GradedScores> groups)
    {
        ArgumentNullException.ThrowIfNull(groups);
        int prompts = 0, at = 0;
        long pairs = 0, scores = 0;
        double right = 0, margin = 0, loss = 0, sum = 0, least = double.PositiveInfinity, most = double.NegativeInfinity;
        var bins = new (double Predicted, double Observed, long Count)[BinCount];
        foreach (GradedScores group in groups)
        {
            Check(group, at++);
            double own = 0;
            long before = pairs;
            for (int i = 0; i < group.Grades.Count; i++)
            {
                sum += group.Scores[i];
                scores++;
                least = Math.Min(least, group.Scores[i]);
                most = Math.Max(most, group.Scores[i]);
                for (int j = 0; j < group.Grades.Count; j++)
                {
                    if (!(group.Grades[i] > group.Grades[j])) continue;
                    double difference = group.Scores[i] - group.Scores[j];
                    pairs++;
                    right += difference > 0 ? 1 : difference == 0 ? 0.5 : 0;
                    margin += difference;
                    own += LogOnePlusExp(-difference);
                    Count(1 / (1 + Math.Exp(-difference)), 1);
                    Count(1 / (1 + Math.Exp(difference)), 0);
                }
            }

            if (pairs == before) continue;
            prompts++;
            loss += own / (pairs - before);
        }

        if (pairs == 0) throw new ArgumentException($"Of {at} prompts none has two responses of unequal grades; there is nothing to agree with.", nameof(groups));
        CalibrationBin[] calibration = [.. bins.Where(static bin => bin.Count > 0).Select(static bin => new CalibrationBin(bin.Predicted / bin.Count, bin.Observed / bin.Count, bin.Count))];
        double error = calibration.Sum(static bin => bin.Count * Math.Abs(bin.Predicted - bin.Observed)) / (2.0 * pairs);
        return new(prompts, pairs, right / pairs, margin / pairs, loss / prompts, least, sum / scores, most, error, calibration);

        void Count(double probability, int preferred)
        {
            ref (double Predicted, double Observed, long Count) bin = ref bins[Math.Min(BinCount - 1, (int)(probability * BinCount))];
            bin = (bin.Predicted + probability, bin.Observed + preferred, bin.Count + 1);
        }
    }

    /// <summary>One line for a console or a log.</summary>
    public override string ToString() => FormattableString.Invariant(
        $"accuracy {Accuracy:P1} of {Pairs:N0} pairs of {Prompts:N0} prompts, margin {Margin:F3}, loss {Loss:F4}, scores {MinScore:F2} to {MaxScore:F2}, mean {MeanScore:F2}, calibration error {CalibrationError:F3}");

    private static double LogOnePlusExp(double x) => x > 0 ? x + Math.Log(1 + Math.Exp(-x)) : Math.Log(1 + Math.Exp(x));

    private static void Check(GradedScores group, int at)
    {
        ArgumentNullException.ThrowIfNull(group, "groups");
        if (group.Grades.Count != group.Scores.Count) throw new ArgumentException($"Prompt {at} (counted from 0) has {group.Grades.Count} grades and {group.Scores.Count} scores; give one of each for every response.", "groups");
        for (int i = 0; i < group.Grades.Count; i++)
        {
            if (!double.IsFinite(group.Grades[i]) || !double.IsFinite(group.Scores[i]))
                throw new ArgumentException(FormattableString.Invariant($"Response {i} of prompt {at} (both counted from 0) has the grade {group.Grades[i]} and the score {group.Scores[i]}; both must be finite."), "groups");
        }
    }
}
