namespace MLNet.Gpt;

/// <summary>A metric's values, weighted and summed.</summary>
/// <param name="Sum">The sum.</param>
/// <param name="Weight">The sum of the weights.</param>
internal sealed record MetricSum(double Sum, double Weight)
{
    /// <summary>Adds an update's metrics.</summary>
    /// <param name="sums">The sums so far.</param>
    /// <param name="names">The metrics' names.</param>
    /// <param name="values">Their values, weighted, and weights, in that order.</param>
    public static IReadOnlyDictionary<string, MetricSum> Add(IReadOnlyDictionary<string, MetricSum> sums, IReadOnlyList<string> names, IReadOnlyList<(double Sum, double Weight)> values)
    {
        var added = new Dictionary<string, MetricSum>(sums, StringComparer.Ordinal);
        for (int i = 0; i < names.Count; i++)
        {
            if (values[i].Weight == 0) continue;
            MetricSum before = added.GetValueOrDefault(names[i], new(0, 0));
            added[names[i]] = new(before.Sum + values[i].Sum, before.Weight + values[i].Weight);
        }

        return added;
    }

    /// <summary>The means by name, in alphabetical order; null where there are none.</summary>
    public static IReadOnlyDictionary<string, double>? Means(IReadOnlyDictionary<string, MetricSum> sums) =>
        sums.Count == 0 ? null : new SortedDictionary<string, double>(sums.ToDictionary(static pair => pair.Key, static pair => pair.Value.Sum / pair.Value.Weight), StringComparer.Ordinal);
}
