using MathNet.Numerics.Distributions;

namespace MLNet.Gpt;

/// <summary>How often one policy is preferred to another, with an interval.</summary>
/// <param name="Wins">Comparisons won.</param>
/// <param name="Ties">Comparisons in which both were judged alike; each counts as half a win.</param>
/// <param name="Losses">Comparisons lost.</param>
/// <param name="Level">The probability of the interval, in (0, 1).</param>
/// <remarks>Immutable.</remarks>
public sealed record WinRate(long Wins, long Ties, long Losses, double Level)
{
    /// <summary>All comparisons.</summary>
    public long Count => Wins + Ties + Losses;

    /// <summary>(wins + ½·ties) / comparisons.</summary>
    public double Rate => (Wins + (0.5 * Ties)) / Count;

    /// <summary>The lower end of the interval.</summary>
    public double Lower => Wilson(-1);

    /// <summary>The upper end of the interval.</summary>
    public double Upper => Wilson(1);

    /// <summary>Counts comparisons.</summary>
    /// <param name="wins">0 or more.</param>
    /// <param name="ties">0 or more.</param>
    /// <param name="losses">0 or more; with the others 1 or more.</param>
    /// <param name="level">The probability of the interval, in (0, 1).</param>
    /// <exception cref="ArgumentException">A count is negative, there is no comparison, or the level is outside its range.</exception>
    public static WinRate Of(long wins, long ties, long losses, double level = 0.95)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(wins);
        ArgumentOutOfRangeException.ThrowIfNegative(ties);
        ArgumentOutOfRangeException.ThrowIfNegative(losses);
        RequireLevel(level);
        if (wins == 0 && ties == 0 && losses == 0) throw new ArgumentException("There is no comparison to tell a win rate from; give one or more.", nameof(wins));
        return new(wins, ties, losses, level);
    }

    /// <summary>Compares two policies' scores on the same prompts.</summary>
    /// <param name="scores">One policy's, finite.</param>
    /// <param name="otherScores">The other's, in the same order, finite.</param>
    /// <param name="tolerance">Scores that differ by no more are a tie, 0 or more.</param>
    /// <param name="level">The probability of the interval, in (0, 1).</param>
    /// <exception cref="ArgumentException">The counts differ or are 0, a score is not finite, or a number is outside its range.</exception>
    public static WinRate Of(IReadOnlyList<float> scores, IReadOnlyList<float> otherScores, float tolerance = 0, double level = 0.95)
    {
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(otherScores);
        if (scores.Count != otherScores.Count) throw new ArgumentException($"{scores.Count} scores are compared with {otherScores.Count}; give one of each for every prompt.", nameof(otherScores));
        if (!(tolerance >= 0 && float.IsFinite(tolerance))) throw new ArgumentOutOfRangeException(nameof(tolerance), tolerance, FormattableString.Invariant($"tolerance is {tolerance}; it must be 0 or more and finite."));
        int wins = 0, ties = 0;
        for (int i = 0; i < scores.Count; i++)
        {
            if (!float.IsFinite(scores[i]) || !float.IsFinite(otherScores[i]))
                throw new ArgumentException(FormattableString.Invariant($"The scores of prompt {i} (counted from 0) are {scores[i]} and {otherScores[i]}; leave out prompts that could not be judged."), nameof(scores));
            float difference = scores[i] - otherScores[i];
            if (Math.Abs(difference) <= tolerance) ties++;
            else if (difference > 0) wins++;
        }

        return Of(wins, ties, scores.Count - wins - ties, level);
    }

    /// <summary>One line for a console or a log.</summary>
    public override string ToString() => FormattableString.Invariant($"{Rate:P1} ({100 * Level:0.#} % interval {Lower:P1} to {Upper:P1}; {Wins} won, {Ties} tied, {Losses} lost)");

    internal static void RequireLevel(double level)
    {
        if (!(level is > 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(level), level, FormattableString.Invariant($"level is {level}; it must be above 0 and below 1, e.g. 0.95."));
    }

    /// <summary>Wilson's score interval (1927): it keeps its level for few comparisons and for rates near 0 and 1. Ties scatter less than wins and losses, so with them it is a little too wide.</summary>
    private double Wilson(int side)
    {
        double z = Normal.InvCDF(0, 1, (1 + Level) / 2), n = Count, p = Rate, square = z * z;
        double value = (p + (square / (2 * n)) + (side * z * Math.Sqrt((p * (1 - p) / n) + (square / (4 * n * n))))) / (1 + (square / n));
        return Math.Clamp(value, 0, 1);
    }
}
