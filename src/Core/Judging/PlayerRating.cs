namespace MLNet.Gpt;

/// <summary>A player's rating on Elo's scale: 400 points more are odds of 10 to 1.</summary>
/// <param name="Player">The player's name.</param>
/// <param name="Rating">The rating.</param>
/// <param name="Lower">The lower end of its interval.</param>
/// <param name="Upper">The upper end of its interval.</param>
/// <param name="Comparisons">The comparisons that the player took part in.</param>
public sealed record PlayerRating(string Player, double Rating, double Lower, double Upper, int Comparisons)
{
    /// <summary>The probability that this player is preferred to another: 1 / (1 + 10^((R_other − R) / 400)).</summary>
    /// <param name="other">The other player.</param>
    public double WinProbability(PlayerRating other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return EloRatings.Expected(Rating, other.Rating);
    }

    /// <summary>One line for a console or a log.</summary>
    public override string ToString() => FormattableString.Invariant($"{Player}: {Rating:F0} ({Lower:F0} to {Upper:F0}), {Comparisons} comparisons");
}
