using System.Globalization;

namespace MLNet.Gpt;

/// <summary>How often the right answer was found the likeliest; names and rules are those of EleutherAI's lm-evaluation-harness.</summary>
/// <remarks>Immutable; may be shared between threads. A standard error is the sample's standard deviation (n - 1) divided by √n; NaN for fewer than two questions.</remarks>
public sealed record MultipleChoiceMetrics
{
    internal MultipleChoiceMetrics(IReadOnlyList<MultipleChoiceOutcome> outcomes)
    {
        Count = outcomes.Count;
        (Accuracy, AccuracyStandardError) = Share(outcomes.Count(outcome => outcome.Plain), Count);
        (NormalizedAccuracy, NormalizedAccuracyStandardError) = Share(outcomes.Count(outcome => outcome.PerCharacter), Count);
        (ByteNormalizedAccuracy, ByteNormalizedAccuracyStandardError) = Share(outcomes.Count(outcome => outcome.PerByte), Count);
    }

    /// <summary>n: the questions.</summary>
    public int Count { get; }

    /// <summary>acc: the share of questions whose right answer has the largest ln p(answer | prompt).</summary>
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

    /// <summary>A table of the numbers, for people.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"""
        metric         value   stderr   ({Count:N0} questions)
        acc        {Accuracy,9:F4}{AccuracyStandardError,9:F4}
        acc_norm   {NormalizedAccuracy,9:F4}{NormalizedAccuracyStandardError,9:F4}
        acc_bytes  {ByteNormalizedAccuracy,9:F4}{ByteNormalizedAccuracyStandardError,9:F4}
        """);

    // For k ones among n: the mean is k/n and the sum of squared deviations k(n-k)/n.
    private static (double Mean, double StandardError) Share(int k, int n) =>
        ((double)k / n, n < 2 ? double.NaN : Math.Sqrt((double)k * (n - k) / n / (n - 1) / n));
}
