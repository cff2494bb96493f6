namespace MLNet.Gpt;

/// <summary>Tells a loss that stands out from those before it.</summary>
internal static class LossSpikes
{
    /// <summary>The losses that a new one is compared with, at most.</summary>
    public const int Window = 100;

    /// <summary>The fewest that say anything.</summary>
    public const int Fewest = 20;

    /// <summary>By how many standard deviations a loss lies above the mean of the recent ones; null while there are too few.</summary>
    /// <param name="recent">The losses before it.</param>
    /// <param name="loss">The loss.</param>
    /// <remarks>The deviation counts as a hundredth of the mean at least: where losses hardly vary, no small rise is a spike.</remarks>
    public static double? DeviationsAbove(IReadOnlyList<double> recent, double loss)
    {
        if (recent.Count < Fewest) return null;
        double mean = recent.Average();
        double deviation = Math.Sqrt(recent.Sum(x => (x - mean) * (x - mean)) / recent.Count);
        return (loss - mean) / Math.Max(deviation, 0.01 * Math.Abs(mean));
    }

    /// <summary>The recent losses with one more.</summary>
    public static IReadOnlyList<double> With(IReadOnlyList<double> recent, double loss) =>
        recent.Count < Window ? [.. recent, loss] : [.. recent.Skip(recent.Count - Window + 1), loss];
}
