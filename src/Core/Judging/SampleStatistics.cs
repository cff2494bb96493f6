using System.Globalization;

namespace MLNet.Gpt;

/// <summary>What a sample tells of a mean.</summary>
internal static class SampleStatistics
{
    /// <summary>The standard deviation (n − 1); NaN for fewer than two values.</summary>
    public static double StandardDeviation(IReadOnlyList<double> values)
    {
        if (values.Count < 2) return double.NaN;
        double mean = values.Average();
        return Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1));
    }

    /// <summary>The standard error of the mean: the standard deviation over √n; NaN for fewer than two values.</summary>
    public static double StandardError(IReadOnlyList<double> values) => StandardDeviation(values) / Math.Sqrt(values.Count);

    /// <summary>" ± " and the error, for a line of text; nothing where it is NaN, as of one value.</summary>
    public static string PlusMinus(double error, string format) => double.IsNaN(error) ? "" : $" ± {error.ToString(format, CultureInfo.InvariantCulture)}";
}
