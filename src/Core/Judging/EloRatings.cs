namespace MLNet.Gpt;

/// <summary>
/// Elo's ratings of players that were compared one after the other (Elo 1978): R ← R + K·(S − E), E = 1 / (1 + 10^((R_other − R) / 400)). They depend on the order: for players that
/// do not change, <see cref="BradleyTerryRatings"/> uses all comparisons alike and is the better estimate.
/// </summary>
/// <remarks>Immutable; may be used from several threads.</remarks>
public sealed class EloRatings
{
    private EloRatings(IReadOnlyList<PlayerRating> players) => Players = players;

    /// <summary>The players, the best first.</summary>
    public IReadOnlyList<PlayerRating> Players { get; }

    /// <summary>The expected score of a player against another: 1 / (1 + 10^((other − rating) / 400)).</summary>
    /// <param name="rating">The player's rating.</param>
    /// <param name="other">The other's.</param>
    public static double Expected(double rating, double other) => 1 / (1 + Math.Pow(10, (other - rating) / 400));

    /// <summary>Rates players by their comparisons, in the order in which they are given.</summary>
    /// <param name="comparisons">One or more.</param>
    /// <param name="options">K, the first rating and the interval; null for the defaults.</param>
    /// <exception cref="ArgumentException">There is no comparison, one is invalid, or an option is.</exception>
    public static EloRatings Of(IEnumerable<Comparison> comparisons, EloOptions? options = null)
    {
        options = (options ?? new()).Validate();
        var table = ComparisonTable.Of(comparisons);
        (int First, int Second, double Score)[] all = [.. table.Comparisons];
        double[] ratings = Run(all, table.Players.Count, options);

        // The interval: comparisons drawn with replacement, in their order of drawing.
        var random = new Random(options.Seed);
        var draws = new double[options.BootstrapRounds][];
        var sample = new (int First, int Second, double Score)[all.Length];
        for (int round = 0; round < draws.Length; round++)
        {
            for (int i = 0; i < sample.Length; i++) sample[i] = all[random.Next(all.Length)];
            draws[round] = Run(sample, table.Players.Count, options);
        }

        return new([.. table.Players
            .Select((player, i) =>
            {
                (double lower, double upper) = Interval([.. draws.Select(draw => draw[i])], options.Level, ratings[i]);
                return new PlayerRating(player, ratings[i], lower, upper, table.CountOf(i));
            })
            .OrderByDescending(static p => p.Rating).ThenBy(static p => p.Player, StringComparer.Ordinal)]);
    }

    private static double[] Run((int First, int Second, double Score)[] comparisons, int players, EloOptions options)
    {
        var ratings = new double[players];
        Array.Fill(ratings, options.InitialRating);
        foreach ((int first, int second, double score) in comparisons)
        {
            double change = options.K * (score - Expected(ratings[first], ratings[second]));
            ratings[first] += change;
            ratings[second] -= change;
        }

        return ratings;
    }

    private static (double Lower, double Upper) Interval(double[] values, double level, double rating)
    {
        if (values.Length == 0) return (double.NaN, double.NaN);
        double lower = MathNet.Numerics.Statistics.Statistics.Quantile(values, (1 - level) / 2), upper = MathNet.Numerics.Statistics.Statistics.Quantile(values, (1 + level) / 2);
        return (Math.Min(lower, rating), Math.Max(upper, rating));
    }
}
