namespace MLNet.Gpt;

/// <summary>One comparison of two players (policies, models, annotators' choices), as a judge decided it.</summary>
/// <param name="First">One player's name.</param>
/// <param name="Second">The other's, another name.</param>
/// <param name="Score">The first's share of the win: 1 won, 0 lost, 0.5 tied; any share between where a judge gives a probability.</param>
public sealed record Comparison(string First, string Second, double Score)
{
    /// <summary>Checks names and score.</summary>
    /// <returns>This comparison.</returns>
    /// <exception cref="ArgumentException">A name is empty, both are the same, or the score is not within 0 and 1.</exception>
    public Comparison Validate()
    {
        ArgumentException.ThrowIfNullOrEmpty(First);
        ArgumentException.ThrowIfNullOrEmpty(Second);
        if (First == Second) throw new ArgumentException($"'{First}' is compared with itself; a comparison has two players.", nameof(Second));
        if (!(Score is >= 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(Score), Score, FormattableString.Invariant($"The score of '{First}' against '{Second}' is {Score}; it must be within 0 (lost) and 1 (won)."));
        return this;
    }
}
