namespace MLNet.Gpt;

/// <summary>Holds out a part of the data for validation.</summary>
internal static class HeldOut
{
    /// <summary>Chooses by the seed alone; one item at least stays.</summary>
    /// <param name="items">What is divided: prompts, each with all that belongs to it.</param>
    /// <param name="fraction">The share that is held out, 0 to 1 (exclusive).</param>
    /// <param name="seed">Any number.</param>
    /// <returns>Both parts, each in the order of the items.</returns>
    public static (IReadOnlyList<T> Training, IReadOnlyList<T> Validation) Split<T>(IReadOnlyList<T> items, double fraction, long seed)
    {
        int count = Math.Min((int)Math.Round(items.Count * fraction), items.Count - 1);
        ulong key = RandomBits.Mix(unchecked((ulong)seed) ^ 0x73706C6974000000);   // "split": other draws of the same seed have other keys
        var held = Enumerable.Range(0, items.Count).OrderBy(i => RandomBits.Mix(key ^ RandomBits.Mix((ulong)i))).Take(count).ToHashSet();
        return ([.. items.Where((_, i) => !held.Contains(i))], [.. items.Where((_, i) => held.Contains(i))]);
    }
}
