namespace MLNet.Gpt;

/// <summary>How policies compare on the same prompts by the same judge.</summary>
/// <param name="Prompts">The prompts, each different.</param>
/// <param name="Policies">The policies, in the order in which they were given.</param>
/// <param name="WinRates">Each pair of them, the earlier against the later.</param>
/// <param name="Ratings">Bradley and Terry's ratings, the best first; null where one policy never lost to another, directly or through others, and there is no such rating. Their intervals heed that all comparisons of a prompt share its responses.</param>
/// <param name="Samples">The responses to the first prompts, to be read.</param>
public sealed record PolicyComparison(
    int Prompts, IReadOnlyList<JudgedPolicy> Policies, IReadOnlyList<PolicyWinRate> WinRates, IReadOnlyList<PlayerRating>? Ratings, IReadOnlyList<JudgedResponse> Samples)
{
    /// <summary>How often one policy was judged better than another.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="other">The other.</param>
    /// <exception cref="ArgumentException">One of them was not compared, or both are the same.</exception>
    public WinRate WinRateOf(string policy, string other)
    {
        foreach (PolicyWinRate one in WinRates)
        {
            if (one.Policy == policy && one.Other == other) return one.WinRate;
            if (one.Policy == other && one.Other == policy) return WinRate.Of(one.WinRate.Losses, one.WinRate.Ties, one.WinRate.Wins, one.WinRate.Level);
        }

        throw new ArgumentException($"'{policy}' was not compared with '{other}'; there are {string.Join(", ", Policies.Select(static one => $"'{one.Name}'"))}.", nameof(policy));
    }

    /// <summary>Some lines for a console or a log.</summary>
    public override string ToString() => string.Join(Environment.NewLine, [.. Policies.Select(static policy => policy.ToString()), .. WinRates.Select(static one => $"{one.Policy} over {one.Other}: {one.WinRate}")]);
}
