namespace MLNet.Gpt;

/// <summary>
/// L(C) = E + K·C^-γ: the loss over the compute spent, each amount at its best model size (Kaplan et al. 2020, section 6.1, with the constant
/// of Henighan et al. 2020, equation 1.1).
/// </summary>
/// <remarks>Immutable; may be used from several threads.</remarks>
public sealed class ComputeScalingLaw
{
    /// <summary>The fewest runs that a fit takes: one more than there are coefficients.</summary>
    public const int MinimumRuns = 4;

    private readonly PowerLawFit _fit;

    private ComputeScalingLaw(PowerLawFit fit)
    {
        _fit = fit;
        IrreducibleLoss = fit.Constant;
        (K, Gamma) = fit.Term(0);
    }

    /// <summary>E: the loss that no compute gets below, nats per token.</summary>
    public double IrreducibleLoss { get; }

    /// <summary>K: the factor of the term in C.</summary>
    public double K { get; }

    /// <summary>γ: the exponent of C.</summary>
    public double Gamma { get; }

    /// <summary>The standard deviation of log L about the curve, for the degrees of freedom that are left.</summary>
    public double ResidualDeviation => _fit.ResidualDeviation;

    /// <summary>Fits the three coefficients the way <see cref="LossScalingLaw.Fit"/> does its five.</summary>
    /// <param name="runs">
    /// Final losses of at least <see cref="MinimumRuns"/> runs with three or more amounts of compute. Runs far from the best size for their
    /// compute do not lie on one curve; the residual deviation shows it.
    /// </param>
    /// <exception cref="ScalingFitException">The runs can't tell the coefficients; <see cref="ScalingFitException.Problem"/> says why.</exception>
    public static ComputeScalingLaw Fit(IEnumerable<ScalingRun> runs)
    {
        ArgumentNullException.ThrowIfNull(runs);
        return Fit(runs.Select(static r => (r.Flops, r.Loss)));
    }

    /// <summary>Fits the three coefficients to amounts of compute in a unit of the caller's.</summary>
    /// <param name="runs">The compute and the final loss (nats per token) of each run; see the other overload.</param>
    /// <exception cref="ScalingFitException">The runs can't tell the coefficients; <see cref="ScalingFitException.Problem"/> says why.</exception>
    public static ComputeScalingLaw Fit(IEnumerable<(double Compute, double Loss)> runs)
    {
        ArgumentNullException.ThrowIfNull(runs);
        (double Compute, double Loss)[] all = [.. runs];
        ScalingChecks.RequireRuns(all.Length, MinimumRuns, "three coefficients of L(C)");
        for (int i = 0; i < all.Length; i++)
        {
            ScalingChecks.RequirePositive(i, "Compute", all[i].Compute);
            ScalingChecks.RequirePositive(i, "Loss", all[i].Loss);
        }

        ScalingChecks.RequireVariation(all.Select(static r => r.Compute), ScalingFitProblem.ComputeDoesNotVary, "amounts of compute C", "γ");
        PowerLawFit fit = PowerLawFit.Fit([.. all.Select(static r => new[] { Math.Log(r.Compute) })], [.. all.Select(static r => Math.Log(r.Loss))]);
        ScalingChecks.RequireFall(fit.Term(0).Exponent, "amounts of compute C", "γ");
        return new(fit);
    }

    /// <summary>L(C), nats per token.</summary>
    /// <param name="compute">C, above 0, in the unit of the runs.</param>
    public double Loss(double compute)
    {
        PowerLawFit.RequireCoefficient(compute, orZero: false, nameof(compute));
        return IrreducibleLoss + (K * Math.Pow(compute, -Gamma));
    }

    /// <summary>Predicts a run with an interval, as <see cref="LossScalingLaw.Predict"/> does.</summary>
    /// <param name="compute">C, above 0, in the unit of the runs.</param>
    /// <param name="level">The interval's probability, above 0 and below 1. Default 0.95.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is outside its range.</exception>
    public LossPrediction Predict(double compute, double level = 0.95)
    {
        double loss = Loss(compute);
        (double lower, double upper) = _fit.PredictionInterval([Math.Log(compute)], level);
        return new(loss, Math.Min(lower, loss), Math.Max(upper, loss), level, _fit.DegreesOfFreedom);
    }

    /// <summary>The law as a formula.</summary>
    public override string ToString() => FormattableString.Invariant($"L(C) = {IrreducibleLoss:G4} + {K:G4}·C^-{Gamma:G4}");
}
