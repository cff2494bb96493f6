namespace MLNet.Gpt;

/// <summary>How Elo ratings are computed.</summary>
/// <remarks>Immutable. Checked where they are used.</remarks>
public sealed record EloOptions
{
    /// <summary>K: the most points that one comparison moves a rating, above 0. Default 4, as Chatbot Arena has it: its ratings hardly depend on the order.</summary>
    public double K { get; init; } = 4;

    /// <summary>Every player's rating before the first comparison. Default 1000.</summary>
    public double InitialRating { get; init; } = 1000;

    /// <summary>Times that the comparisons are drawn anew, with replacement, for the interval (Efron's bootstrap), 0 or more; 0 leaves intervals NaN. Default 1000.</summary>
    public int BootstrapRounds { get; init; } = 1000;

    /// <summary>The probability of the interval, in (0, 1). Default 0.95.</summary>
    public double Level { get; init; } = 0.95;

    /// <summary>Seeds the drawing. Default 0: the same comparisons give the same interval.</summary>
    public int Seed { get; init; }

    /// <summary>Checks every value.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public EloOptions Validate()
    {
        if (!(K > 0 && double.IsFinite(K))) throw new ArgumentOutOfRangeException(nameof(K), K, FormattableString.Invariant($"K is {K}; it must be above 0 and finite."));
        if (!double.IsFinite(InitialRating)) throw new ArgumentOutOfRangeException(nameof(InitialRating), InitialRating, FormattableString.Invariant($"InitialRating is {InitialRating}; it must be finite."));
        if (BootstrapRounds < 0) throw new ArgumentOutOfRangeException(nameof(BootstrapRounds), BootstrapRounds, FormattableString.Invariant($"BootstrapRounds is {BootstrapRounds}; it must be 0 or more (0 leaves the intervals out)."));
        WinRate.RequireLevel(Level);
        return this;
    }
}
