namespace MLNet.Gpt;

/// <summary>Comparisons with numbers in the place of names.</summary>
/// <param name="Players">The names in the order in which they appear.</param>
/// <param name="Comparisons">The players' places and the first's score.</param>
internal sealed record ComparisonTable(IReadOnlyList<string> Players, IReadOnlyList<(int First, int Second, double Score)> Comparisons)
{
    /// <summary>Checks and numbers comparisons.</summary>
    /// <exception cref="ArgumentException">There is none, or one is invalid.</exception>
    public static ComparisonTable Of(IEnumerable<Comparison> comparisons)
    {
        ArgumentNullException.ThrowIfNull(comparisons);
        List<string> players = [];
        Dictionary<string, int> places = new(StringComparer.Ordinal);
        List<(int, int, double)> all = [];
        foreach (Comparison comparison in comparisons)
        {
            ArgumentNullException.ThrowIfNull(comparison, nameof(comparisons));
            comparison.Validate();
            all.Add((PlaceOf(comparison.First), PlaceOf(comparison.Second), comparison.Score));
        }

        return all.Count > 0 ? new(players, all) : throw new ArgumentException("There is no comparison to rate players by; give one or more.", nameof(comparisons));

        int PlaceOf(string name)
        {
            if (places.TryGetValue(name, out int place)) return place;
            places.Add(name, players.Count);
            players.Add(name);
            return players.Count - 1;
        }
    }

    /// <summary>The comparisons of a player.</summary>
    public int CountOf(int player) => Comparisons.Count(c => c.First == player || c.Second == player);
}
