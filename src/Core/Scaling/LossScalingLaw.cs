namespace MLNet.Gpt;

/// <summary>L(N, D) = E + A·N^-α + B·D^-β: the loss of a model of N parameters trained on D tokens (Hoffmann et al. 2022, equation 2).</summary>
/// <remarks>
/// E is the entropy of the text, the second term what a model of finite size lacks, the third what finite data and steps lack. Immutable;
/// may be used from several threads.
/// </remarks>
public sealed class LossScalingLaw
{
    /// <summary>The fewest runs that a fit takes: one more than there are coefficients.</summary>
    public const int MinimumRuns = 6;

    private readonly PowerLawFit? _fit;

    private LossScalingLaw(PowerLawFit fit, IReadOnlyList<ScalingRun> runs)
    {
        _fit = fit;
        Runs = runs;
        IrreducibleLoss = fit.Constant;
        (A, Alpha) = fit.Term(0);
        (B, Beta) = fit.Term(1);
    }

    /// <summary>A law with known coefficients, such as published ones; it predicts without an interval.</summary>
    /// <param name="irreducibleLoss">E, nats per token, 0 or more.</param>
    /// <param name="a">A, above 0.</param>
    /// <param name="alpha">α, above 0.</param>
    /// <param name="b">B, above 0.</param>
    /// <param name="beta">β, above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A coefficient is outside its range.</exception>
    public LossScalingLaw(double irreducibleLoss, double a, double alpha, double b, double beta)
    {
        PowerLawFit.RequireCoefficient(irreducibleLoss, orZero: true, nameof(irreducibleLoss));
        PowerLawFit.RequireCoefficient(a, orZero: false, nameof(a));
        PowerLawFit.RequireCoefficient(alpha, orZero: false, nameof(alpha));
        PowerLawFit.RequireCoefficient(b, orZero: false, nameof(b));
        PowerLawFit.RequireCoefficient(beta, orZero: false, nameof(beta));
        (IrreducibleLoss, A, Alpha, B, Beta, Runs) = (irreducibleLoss, a, alpha, b, beta, []);
    }

    /// <summary>E: the loss that no size and no data get below, nats per token.</summary>
    public double IrreducibleLoss { get; }

    /// <summary>A: the factor of the term in N.</summary>
    public double A { get; }

    /// <summary>α: the exponent of N.</summary>
    public double Alpha { get; }

    /// <summary>B: the factor of the term in D.</summary>
    public double B { get; }

    /// <summary>β: the exponent of D.</summary>
    public double Beta { get; }

    /// <summary>The runs that it was fitted to; none where the coefficients were given.</summary>
    public IReadOnlyList<ScalingRun> Runs { get; }

    /// <summary>
    /// The standard deviation of log L about the curve, for the degrees of freedom that are left; about the relative scatter of a run. NaN where
    /// the coefficients were given.
    /// </summary>
    public double ResidualDeviation => _fit?.ResidualDeviation ?? double.NaN;

    /// <summary>
    /// Fits the five coefficients: the Huber loss (δ = 10⁻³) of log L, the three terms joined by log-sum-exp, by BFGS from a grid of starts
    /// (Hoffmann et al. 2022, section 3.3 and appendix D.3).
    /// </summary>
    /// <param name="runs">The final losses of at least <see cref="MinimumRuns"/> runs, with three or more sizes N and three or more token counts D that do not vary in step.</param>
    /// <exception cref="ScalingFitException">The runs can't tell the coefficients; <see cref="ScalingFitException.Problem"/> says why.</exception>
    public static LossScalingLaw Fit(IEnumerable<ScalingRun> runs)
    {
        ArgumentNullException.ThrowIfNull(runs);
        ScalingRun[] all = [.. runs];
        ScalingChecks.RequireRuns(all.Length, MinimumRuns, "five coefficients of L(N, D)");
        for (int i = 0; i < all.Length; i++)
        {
            ArgumentNullException.ThrowIfNull(all[i], nameof(runs));
            ScalingChecks.RequirePositive(i, "ParameterCount", all[i].ParameterCount);
            ScalingChecks.RequirePositive(i, "TokenCount", all[i].TokenCount);
            ScalingChecks.RequirePositive(i, "Loss", all[i].Loss);
        }

        ScalingChecks.RequireVariation(all.Select(static r => r.ParameterCount), ScalingFitProblem.ParametersDoNotVary, "model sizes N", "α");
        ScalingChecks.RequireVariation(all.Select(static r => r.TokenCount), ScalingFitProblem.TokensDoNotVary, "token counts D", "β");
        ScalingChecks.RequireSeparate(all);
        PowerLawFit fit = PowerLawFit.Fit([.. all.Select(static r => new[] { Math.Log(r.ParameterCount), Math.Log(r.TokenCount) })], [.. all.Select(static r => Math.Log(r.Loss))]);
        ScalingChecks.RequireFall(fit.Term(0).Exponent, "model sizes N", "α");
        ScalingChecks.RequireFall(fit.Term(1).Exponent, "token counts D", "β");
        return new(fit, all);
    }

    /// <summary>L(N, D), nats per token.</summary>
    /// <param name="parameterCount">N, above 0, counted as in the runs.</param>
    /// <param name="tokenCount">D, above 0.</param>
    public double Loss(double parameterCount, double tokenCount)
    {
        PowerLawFit.RequireCoefficient(parameterCount, orZero: false, nameof(parameterCount));
        PowerLawFit.RequireCoefficient(tokenCount, orZero: false, nameof(tokenCount));
        return IrreducibleLoss + (A * Math.Pow(parameterCount, -Alpha)) + (B * Math.Pow(tokenCount, -Beta));
    }

    /// <summary>
    /// Predicts a run with an interval: all losses that, counted as one more run, the law could pass with a sum of squared residuals (of log L)
    /// that grows by no more than s²·t², s² the residual variance and t Student's quantile for the runs less five. For a law linear in its
    /// coefficients it is the usual prediction interval; it takes in the uncertainty of all five, their correlations, and the new run's own scatter.
    /// </summary>
    /// <param name="parameterCount">N, above 0, counted as in the runs.</param>
    /// <param name="tokenCount">D, above 0.</param>
    /// <param name="level">The interval's probability, above 0 and below 1. Default 0.95.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is outside its range.</exception>
    /// <exception cref="InvalidOperationException">The law's coefficients were given, not fitted.</exception>
    public LossPrediction Predict(double parameterCount, double tokenCount, double level = 0.95)
    {
        double loss = Loss(parameterCount, tokenCount);
        if (_fit is null) throw new InvalidOperationException("This law has given coefficients and no runs to tell an interval from; use Loss, or Fit a law.");
        (double lower, double upper) = _fit.PredictionInterval([Math.Log(parameterCount), Math.Log(tokenCount)], level);
        return new(loss, Math.Min(lower, loss), Math.Max(upper, loss), level, _fit.DegreesOfFreedom);
    }

    /// <summary>
    /// The model size and token count with the lowest loss for C = 6·N·D: N = G·(C/6)^(β/(α+β)), D = (C/6)^(α/(α+β))/G,
    /// G = (αA/(βB))^(1/(α+β)) (Hoffmann et al. 2022, equation 4).
    /// </summary>
    /// <param name="flops">C, above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="flops"/> is not above 0 and finite.</exception>
    public ComputeAllocation Allocate(double flops)
    {
        PowerLawFit.RequireCoefficient(flops, orZero: false, nameof(flops));
        double sum = Alpha + Beta;
        double g = Math.Pow(Alpha * A / (Beta * B), 1 / sum);
        double parameters = g * Math.Pow(flops / 6, Beta / sum), tokens = Math.Pow(flops / 6, Alpha / sum) / g;
        return new(flops, parameters, tokens, Loss(parameters, tokens));
    }

    /// <summary>The law as a formula.</summary>
    public override string ToString() => FormattableString.Invariant($"L(N, D) = {IrreducibleLoss:G4} + {A:G4}·N^-{Alpha:G4} + {B:G4}·D^-{Beta:G4}");
}
