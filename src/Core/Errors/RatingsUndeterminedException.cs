namespace MLNet.Gpt;

/// <summary>Comparisons leave open how far two groups of players are apart: none of one group ever lost, or lost a share, to any of the other.</summary>
public sealed class RatingsUndeterminedException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="unbeaten">The players that lost nothing to the others.</param>
    /// <param name="others">The others.</param>
    public RatingsUndeterminedException(IReadOnlyList<string> unbeaten, IReadOnlyList<string> others)
        : base($"No strengths can be fitted: {Names(unbeaten)} never lost to, or never met, {Names(others)}, so that the distance between them has no limit. Compare the two groups until each has won, or use EloRatings, which need not.")
    {
        Unbeaten = unbeaten;
        Others = others;
    }

    /// <summary>The players that lost nothing to the others.</summary>
    public IReadOnlyList<string> Unbeaten { get; }

    /// <summary>The others.</summary>
    public IReadOnlyList<string> Others { get; }

    private static string Names(IReadOnlyList<string> players) => players.Count <= 5
        ? string.Join(", ", players.Select(static p => $"'{p}'"))
        : $"{string.Join(", ", players.Take(5).Select(static p => $"'{p}'"))} and {players.Count - 5} more";
}
