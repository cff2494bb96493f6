using MathNet.Numerics.Distributions;
using MathNet.Numerics.LinearAlgebra;

namespace MLNet.Gpt;

/// <summary>
/// The strengths that make comparisons the most likely (Bradley and Terry 1952): P(i is preferred to j) = π_i / (π_i + π_j), on Elo's scale R = 1000 + 400·log₁₀ π with a mean
/// of 1000. A tie counts as half a win of each. Intervals are Wald's, from the observed Fisher information; they tell how certain a player's distance from
/// the mean of all is.
/// </summary>
/// <remarks>Immutable; may be used from several threads.</remarks>
public sealed class BradleyTerryRatings
{
    private const double Center = 1000;
    private const int MostIterations = 200;
    private static readonly double s_pointsPerNat = 400 / Math.Log(10);

    private BradleyTerryRatings(IReadOnlyList<PlayerRating> players) => Players = players;

    /// <summary>The players, the best first.</summary>
    public IReadOnlyList<PlayerRating> Players { get; }

    /// <summary>Fits the strengths by Newton's method.</summary>
    /// <param name="comparisons">One or more, in any order. Each player must have beaten and been beaten, directly or through others: else strengths have no maximum.</param>
    /// <param name="level">The probability of the intervals, in (0, 1).</param>
    /// <exception cref="ArgumentException">There is no comparison, one is invalid, or the level is.</exception>
    /// <exception cref="RatingsUndeterminedException">Some players never lost to the others, or were never compared with them.</exception>
    public static BradleyTerryRatings Fit(IEnumerable<Comparison> comparisons, double level = 0.95) => Fit(ComparisonTable.Of(comparisons), level, groupSize: 1);

    /// <summary>Fits the strengths to comparisons in groups that depend on each other: where one response to a prompt is compared with several others, the comparisons of a prompt.</summary>
    /// <param name="groups">The groups, which are independent of each other, of as many comparisons each.</param>
    /// <param name="level">The probability of the intervals, in (0, 1). They are the wider of Wald's and those by the scatter between groups (the sandwich of Liang and Zeger 1986).</param>
    /// <exception cref="RatingsUndeterminedException">Some players never lost to the others, or were never compared with them.</exception>
    internal static BradleyTerryRatings FitGroups(IReadOnlyList<IReadOnlyList<Comparison>> groups, double level) =>
        Fit(ComparisonTable.Of(groups.SelectMany(static group => group)), level, groups[0].Count);

    private static BradleyTerryRatings Fit(ComparisonTable table, double level, int groupSize)
    {
        WinRate.RequireLevel(level);
        int n = table.Players.Count;
        var score = Matrix<double>.Build.Dense(n, n);   // score[i, j]: what i won against j
        foreach ((int first, int second, double won) in table.Comparisons)
        {
            score[first, second] += won;
            score[second, first] += 1 - won;
        }

        RequireConnected(table.Players, score);

        // The log-likelihood Σ s_ij·log σ(θ_i − θ_j) is strictly concave on Σ θ = 0. Adding the matrix of ones to the information makes it invertible and
        // leaves steps of sum 0 as they are.
        Vector<double> theta = Vector<double>.Build.Dense(n);
        Matrix<double> ones = Matrix<double>.Build.Dense(n, n, 1);
        double best = LogLikelihood(score, theta);
        for (int iteration = 0; iteration < MostIterations; iteration++)
        {
            Vector<double> step = (Information(score, theta) + ones).Solve(Gradient(score, theta));
            double length = 1;
            while (length > 1e-10 && LogLikelihood(score, theta + (length * step)) < best) length /= 2;
            theta += length * step;
            best = LogLikelihood(score, theta);
            if (length * step.AbsoluteMaximum() < 1e-12) break;
        }

        theta -= theta.Sum() / n;
        Matrix<double> covariance = (Information(score, theta) + ones).Inverse() - (ones / ((double)n * n));   // the pseudo-inverse
        Matrix<double>? between = groupSize > 1 && table.Comparisons.Count > groupSize ? BetweenGroups(table, theta, covariance, groupSize) : null;
        double z = Normal.InvCDF(0, 1, (1 + level) / 2);
        return new([.. table.Players
            .Select((player, i) =>
            {
                double rating = Center + (s_pointsPerNat * theta[i]), half = z * s_pointsPerNat * Math.Sqrt(Math.Max(0, Math.Max(covariance[i, i], between?[i, i] ?? 0)));
                return new PlayerRating(player, rating, rating - half, rating + half, table.CountOf(i));
            })
            .OrderByDescending(static p => p.Rating).ThenBy(static p => p.Player, StringComparer.Ordinal)]);
    }

    private static double Probability(Vector<double> theta, int i, int j) => 1 / (1 + Math.Exp(theta[j] - theta[i]));

    private static double LogLikelihood(Matrix<double> score, Vector<double> theta)
    {
        double sum = 0;
        for (int i = 0; i < theta.Count; i++)
        {
            for (int j = 0; j < theta.Count; j++)
            {
                if (score[i, j] > 0) sum -= score[i, j] * LogOnePlusExp(theta[j] - theta[i]);
            }
        }

        return sum;

        static double LogOnePlusExp(double x) => x > 0 ? x + Math.Log(1 + Math.Exp(-x)) : Math.Log(1 + Math.Exp(x));
    }

    /// <summary>∂/∂θ_i = Σ_j s_ij − n_ij·p_ij.</summary>
    private static Vector<double> Gradient(Matrix<double> score, Vector<double> theta) => Vector<double>.Build.Dense(theta.Count, i =>
        Enumerable.Range(0, theta.Count).Where(j => j != i).Sum(j => score[i, j] - ((score[i, j] + score[j, i]) * Probability(theta, i, j))));

    /// <summary>−∂²/∂θ_i∂θ_j = −n_ij·p_ij·p_ji, the rows adding up to 0.</summary>
    private static Matrix<double> Information(Matrix<double> score, Vector<double> theta)
    {
        Matrix<double> information = Matrix<double>.Build.Dense(theta.Count, theta.Count, (i, j) =>
            i == j ? 0 : -(score[i, j] + score[j, i]) * Probability(theta, i, j) * Probability(theta, j, i));
        for (int i = 0; i < theta.Count; i++) information[i, i] = -information.Row(i).Sum();
        return information;
    }

    /// <summary>I⁺·(n/(n − 1)·Σ g·gᵀ)·I⁺, g being the gradient of each of the n groups; over all of them it is 0.</summary>
    private static Matrix<double> BetweenGroups(ComparisonTable table, Vector<double> theta, Matrix<double> inverse, int groupSize)
    {
        double n = table.Comparisons.Count / groupSize;
        Matrix<double> scatter = Matrix<double>.Build.Dense(theta.Count, theta.Count);
        foreach ((int First, int Second, double Score)[] group in table.Comparisons.Chunk(groupSize))
        {
            Vector<double> gradient = Vector<double>.Build.Dense(theta.Count);
            foreach ((int first, int second, double won) in group)
            {
                double surprise = won - Probability(theta, first, second);
                gradient[first] += surprise;
                gradient[second] -= surprise;
            }

            scatter += gradient.OuterProduct(gradient);
        }

        return inverse * (n / (n - 1) * scatter) * inverse;
    }

    /// <summary>The maximum exists where from every player a chain of wins leads to every other (Ford 1957).</summary>
    private static void RequireConnected(IReadOnlyList<string> players, Matrix<double> score)
    {
        foreach (bool forward in (bool[])[true, false])
        {
            var reached = new bool[players.Count];
            var open = new Stack<int>([0]);
            reached[0] = true;
            while (open.TryPop(out int i))
            {
                for (int j = 0; j < players.Count; j++)
                {
                    if (reached[j] || !((forward ? score[i, j] : score[j, i]) > 0)) continue;
                    reached[j] = true;
                    open.Push(j);
                }
            }

            if (!reached.Contains(false)) continue;
            string[] group = [.. players.Where((_, i) => reached[i])], others = [.. players.Where((_, i) => !reached[i])];
            throw forward ? new RatingsUndeterminedException(others, group) : new RatingsUndeterminedException(group, others);
        }
    }
}
