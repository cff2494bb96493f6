namespace MLNet.Gpt;

/// <summary>What runs must have before a law is fitted to them.</summary>
internal static class ScalingChecks
{
    /// <summary>Values closer than this are one value.</summary>
    private const double LeastRatio = 1.01;

    /// <summary>Above this correlation of log N and log D, the two are one variable.</summary>
    private const double MostCorrelation = 0.999;

    public static void RequireRuns(int count, int minimum, string what)
    {
        if (count < minimum)
        {
            throw new ScalingFitException(ScalingFitProblem.TooFewRuns,
                FormattableString.Invariant($"there are {count} runs for the {what}, and {minimum} are the fewest that leave a residual to tell an interval from."),
                FormattableString.Invariant($"Add {minimum - count} or more."));
        }
    }

    public static void RequirePositive(int run, string name, double value)
    {
        if (!(value > 0 && double.IsFinite(value)))
        {
            throw new ScalingFitException(ScalingFitProblem.InvalidRun,
                FormattableString.Invariant($"run {run} (counted from 0) has {name} {value}, which is not above 0 and finite."),
                "Leave out runs that diverged or were not evaluated.");
        }
    }

    public static void RequireVariation(IEnumerable<double> values, ScalingFitProblem problem, string what, string exponent)
    {
        double[] sorted = [.. values.Order()];
        int distinct = 1;
        double last = sorted[0];
        foreach (double value in sorted)
        {
            if (value / last < LeastRatio) continue;
            distinct++;
            last = value;
        }

        if (distinct < 3)
        {
            throw new ScalingFitException(problem,
                FormattableString.Invariant($"the runs have {distinct} different {what} (from {sorted[0]:G4} to {sorted[^1]:G4}), so {exponent} can't be told from its factor."),
                $"Train at three or more {what}, best a factor of two or more apart.");
        }
    }

    public static void RequireSeparate(ScalingRun[] runs)
    {
        double[] n = [.. runs.Select(static r => Math.Log(r.ParameterCount))], d = [.. runs.Select(static r => Math.Log(r.TokenCount))];
        double correlation = MathNet.Numerics.Statistics.Correlation.Pearson(n, d);
        if (Math.Abs(correlation) > MostCorrelation)
        {
            throw new ScalingFitException(ScalingFitProblem.ParametersAndTokensVaryTogether,
                FormattableString.Invariant($"log N and log D of the runs have a correlation of {correlation:F4}, so α and β can't be told apart."),
                "Train some size on different numbers of tokens, or use ComputeScalingLaw.");
        }
    }

    public static void RequireFall(double exponent, string what, string name)
    {
        if (!(exponent > 0))
        {
            throw new ScalingFitException(ScalingFitProblem.LossDoesNotFall,
                FormattableString.Invariant($"the best curve has {name} = {exponent:G3}: over these {what} the losses do not fall."),
                "Check that each run's learning rate decays to its end and fits its size, and that the losses are of held-out text; spread the runs further apart.");
        }
    }
}
