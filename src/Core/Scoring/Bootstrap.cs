namespace MLNet.Gpt;

/// <summary>Standard errors by drawing with replacement (Efron 1979), as lm-evaluation-harness's bootstrap_stderr.</summary>
internal static class Bootstrap
{
    /// <summary>The measures of one draw.</summary>
    /// <param name="draws">The places of the items that were drawn, some of them several times.</param>
    /// <param name="measures">Receives the measures.</param>
    public delegate void Measure(ReadOnlySpan<int> draws, Span<double> measures);

    /// <summary>The standard deviation (n - 1) of each measure over all draws.</summary>
    /// <param name="count">The items; with fewer than two there is no error to tell, and it is NaN.</param>
    /// <param name="resamples">The draws, 2 or more.</param>
    /// <param name="seed">Any number.</param>
    /// <param name="measureCount">How many measures there are.</param>
    /// <param name="measure">Computes them.</param>
    /// <param name="cancellationToken">Looked at before each draw.</param>
    public static double[] StandardErrors(int count, int resamples, int seed, int measureCount, Measure measure, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(resamples, 2);
        var mean = new double[measureCount];
        var squares = new double[measureCount]; // the sums of squared deviations so far (Welford 1962)
        if (count < 2) return [.. mean.Select(static _ => double.NaN)];
        var draws = new int[count];
        var measures = new double[measureCount];
        ulong key = RandomBits.Mix(unchecked((ulong)seed) ^ 0x626F6F7473747200), at = 0; // "bootstr": other draws of the same seed have other keys
        for (int r = 1; r <= resamples; r++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            for (int i = 0; i < count; i++) draws[i] = (int)RandomBits.Below(RandomBits.Mix(key ^ RandomBits.Mix(at++)), (ulong)count);
            measure(draws, measures);
            for (int m = 0; m < measureCount; m++)
            {
                double delta = measures[m] - mean[m];
                mean[m] += delta / r;
                squares[m] += delta * (measures[m] - mean[m]);
            }
        }

        return [.. squares.Select(sum => Math.Sqrt(sum / (resamples - 1)))];
    }
}
