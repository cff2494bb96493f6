using MathNet.Numerics.Distributions;
using MathNet.Numerics.LinearAlgebra;
using MathNet.Numerics.Optimization;

namespace MLNet.Gpt;

/// <summary>
/// log L = log(exp(e) + Σₖ exp(aₖ − αₖ·(xₖ − mₖ))), fitted to points. x are logarithms of sizes, m their means over the points: about their
/// centre, factors and exponents are nearly independent, which a quasi-Newton method needs.
/// </summary>
internal sealed class PowerLawFit
{
    /// <summary>δ of the Huber loss (Hoffmann et al. 2022, section 3.3).</summary>
    private const double HuberThreshold = 1e-3;

    /// <summary>Losses come from float32 sums: a scatter below this is rounding.</summary>
    private const double LeastDeviation = 1e-7;

    /// <summary>Passes of BFGS over a point before what is left counts as rounding.</summary>
    private const int MaxPasses = 20;

    /// <summary>Starts of the grid from which an interval's refit is tried where going on from the last one fails.</summary>
    private const int RefitStarts = 4;

    private const int RefitPasses = 2;

    /// <summary>A loss this many powers of e off the curve is no bound any more.</summary>
    private const double FarthestLogLoss = 50;

    private readonly double[][] _x;    // (n, K)
    private readonly double[] _y;      // (n)
    private readonly double[] _centre; // (K)
    private readonly double[] _leastSquares;

    private PowerLawFit(double[][] x, double[] y)
    {
        (_x, _y) = (x, y);
        _centre = [.. Enumerable.Range(0, x[0].Length).Select(k => x.Average(row => row[k]))];

        // The grid is refined from every start, since the error has many valleys; the rest goes on from the best.
        Objective huber = HuberError;
        Coefficients = Starts().Select(start => Minimize(huber, start, passes: 1)).MinBy(theta => HuberError(theta).Value)!;
        Coefficients = Minimize(huber, Coefficients, MaxPasses);

        DegreesOfFreedom = y.Length - Coefficients.Length;
        double scale = Math.Max(Math.Sqrt(SquaredError(Coefficients, 1, null).Value * 2 / DegreesOfFreedom), LeastDeviation);
        _leastSquares = Minimize(theta => SquaredError(theta, scale, null), Coefficients, MaxPasses);
        ResidualDeviation = Math.Max(Math.Sqrt(SquaredError(_leastSquares, 1, null).Value * 2 / DegreesOfFreedom), LeastDeviation);
    }

    private delegate (double Value, double[] Gradient) Objective(double[] coefficients);

    /// <summary>e, then aₖ and αₖ of each term.</summary>
    private double[] Coefficients { get; }

    /// <summary>Points less coefficients.</summary>
    public int DegreesOfFreedom { get; }

    /// <summary>The standard deviation of log L about the curve of least squares.</summary>
    public double ResidualDeviation { get; }

    /// <summary>exp(e).</summary>
    public double Constant => Math.Exp(Coefficients[0]);

    /// <summary>Fits n points, n greater than the 1 + 2K coefficients.</summary>
    /// <param name="x">Logarithms of the sizes, (n, K).</param>
    /// <param name="y">Logarithms of the losses, (n).</param>
    public static PowerLawFit Fit(double[][] x, double[] y) => new(x, y);

    public static void RequireCoefficient(double value, bool orZero, string name)
    {
        if (!((value > 0 || (orZero && value == 0)) && double.IsFinite(value)))
            throw new ArgumentOutOfRangeException(name, value, FormattableString.Invariant($"{name} is {value}; it must be {(orZero ? "0 or more" : "above 0")} and finite."));
    }

    /// <summary>The factor and the exponent of a term, in the sizes themselves.</summary>
    public (double Factor, double Exponent) Term(int k)
    {
        double a = Coefficients[1 + (2 * k)], alpha = Coefficients[2 + (2 * k)];
        return (Math.Exp(a + (alpha * _centre[k])), alpha);
    }

    /// <summary>The losses at <paramref name="x"/> that the points can be reconciled with; see <see cref="LossScalingLaw.Predict"/>.</summary>
    public (double Lower, double Upper) PredictionInterval(double[] x, double level)
    {
        if (!(level is > 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(level), level, FormattableString.Invariant($"level is {level}; it must be above 0 and below 1."));

        double t = StudentT.InvCDF(0, 1, DegreesOfFreedom, (1 + level) / 2);
        double least = SquaredError(_leastSquares, ResidualDeviation, null).Value;
        double centre = LogLoss(_leastSquares, x, new double[_leastSquares.Length]);
        return (Math.Exp(End(-1)), Math.Exp(End(+1)));

        // Where the error with the point (x, y), refitted, exceeds the least by t²/2 in units of the residual variance.
        double End(int direction)
        {
            double[] warm = _leastSquares;
            bool Exceeds(double y)
            {
                double limit = least + (t * t / 2);
                Objective error = theta => SquaredError(theta, ResidualDeviation, (x, y));
                warm = Minimize(error, warm, MaxPasses);
                if (error(warm).Value <= limit) return false;

                // A poorly determined law has several valleys; the point is out of reach only if it is so from all of them.
                foreach (double[] start in Starts().OrderBy(theta => error(theta).Value).Take(RefitStarts).Prepend(_leastSquares))
                {
                    double[] other = Minimize(error, start, RefitPasses);
                    if (error(other).Value < error(warm).Value) warm = other;
                    if (error(warm).Value <= limit) return false;
                }

                return true;
            }

            double inside = centre, step = t * ResidualDeviation, outside = centre + (direction * step);
            while (!Exceeds(outside))
            {
                inside = outside;
                step *= 2;
                outside += direction * step;
                if (Math.Abs(outside - centre) > FarthestLogLoss) return direction * double.PositiveInfinity;
            }

            while (Math.Abs(outside - inside) > 1e-5 * step)
            {
                double middle = (inside + outside) / 2;
                if (Exceeds(middle)) outside = middle;
                else inside = middle;
            }

            return (inside + outside) / 2;
        }
    }

    /// <summary>log L and its gradient.</summary>
    private double LogLoss(double[] theta, double[] x, double[] gradient)
    {
        double Exponent(int k) => theta[1 + (2 * k)] - (theta[2 + (2 * k)] * (x[k] - _centre[k]));
        double max = theta[0];
        for (int k = 0; k < x.Length; k++) max = Math.Max(max, Exponent(k));
        double sum = Math.Exp(theta[0] - max);
        for (int k = 0; k < x.Length; k++) sum += Math.Exp(Exponent(k) - max);

        gradient[0] = Math.Exp(theta[0] - max) / sum;
        for (int k = 0; k < x.Length; k++)
        {
            double share = Math.Exp(Exponent(k) - max) / sum;
            gradient[1 + (2 * k)] = share;
            gradient[2 + (2 * k)] = -share * (x[k] - _centre[k]);
        }

        return max + Math.Log(sum);
    }

    /// <summary>Σ h(r/δ), h(u) = u²/2 up to |u| = 1 and |u| − 1/2 beyond: the Huber loss over δ².</summary>
    private (double Value, double[] Gradient) HuberError(double[] theta) => Error(theta, HuberThreshold, null, static u =>
        Math.Abs(u) <= 1 ? (u * u / 2, u) : (Math.Abs(u) - 0.5, Math.Sign(u)));

    /// <summary>Σ (r/scale)²/2.</summary>
    private (double Value, double[] Gradient) SquaredError(double[] theta, double scale, (double[] X, double Y)? extra) => Error(theta, scale, extra, static u => (u * u / 2, u));

    private (double Value, double[] Gradient) Error(double[] theta, double scale, (double[] X, double Y)? extra, Func<double, (double Loss, double Slope)> loss)
    {
        double value = 0;
        double[] gradient = new double[theta.Length], one = new double[theta.Length];
        for (int i = 0; i < _x.Length; i++) Add(_x[i], _y[i]);
        if (extra is { } e) Add(e.X, e.Y);
        return (value, gradient);

        void Add(double[] x, double y)
        {
            (double part, double slope) = loss((LogLoss(theta, x, one) - y) / scale);
            value += part;
            for (int j = 0; j < one.Length; j++) gradient[j] += slope * one[j] / scale;
        }
    }

    /// <summary>What the loss at the centre may be made of, and how steep the terms may be.</summary>
    private IEnumerable<double[]> Starts()
    {
        double[] exponents = [0.15, 0.4, 1];
        double level = Math.Exp(_y.Average());
        foreach (double constant in (double[])[0.1, 0.4, 0.7, 0.95])
        {
            if (_centre.Length == 1)
            {
                foreach (double alpha in exponents) yield return [Math.Log(constant * level), Math.Log((1 - constant) * level), alpha];
                continue;
            }

            foreach (double share in (double[])[0.2, 0.5, 0.8])
            {
                double first = Math.Log((1 - constant) * share * level), second = Math.Log((1 - constant) * (1 - share) * level);
                foreach (double alpha in exponents)
                {
                    foreach (double beta in exponents) yield return [Math.Log(constant * level), first, alpha, second, beta];
                }
            }
        }
    }

    /// <summary>BFGS from <paramref name="start"/>, begun again from where it ended as long as that gains anything.</summary>
    private static double[] Minimize(Objective objective, double[] start, int passes)
    {
        var minimizer = new BfgsMinimizer(gradientTolerance: 1e-10, parameterTolerance: 1e-13, functionProgressTolerance: 1e-15, maximumIterations: 500);
        (double bestValue, double[] best) = (objective(start).Value, start);
        IObjectiveFunction watched = ObjectiveFunction.Gradient(point =>
        {
            double[] theta = point.ToArray();
            (double value, double[] gradient) = objective(theta);
            if (value < bestValue) (bestValue, best) = (value, theta);
            return (value, Vector<double>.Build.DenseOfArray(gradient));
        });

        for (int pass = 0; pass < passes; pass++)
        {
            double before = bestValue;
            try
            {
                minimizer.FindMinimum(watched, Vector<double>.Build.DenseOfArray(best));
            }
            catch (OptimizationException)
            {
                // The line search found nothing lower in double precision, or the valley is long: the best point so far is what counts.
            }

            if (!(before - bestValue > 1e-12 * (1 + before))) break;
        }

        return best;
    }
}
