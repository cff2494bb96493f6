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

    /// <summary>Moves some, drawn by the seed, to a set of their own; one at least stays.</summary>
    /// <param name="all">The training set, which loses them.</param>
    /// <param name="fraction">The share, 0 to 1 (exclusive).</param>
    /// <param name="seed">Any number.</param>
    public static List<T> Draw<T>(List<T> all, double fraction, long seed)
    {
        int count = Math.Min((int)Math.Round(all.Count * fraction), all.Count - 1);
        var random = new Random(unchecked((int)seed));
        var heldOut = new List<T>();
        while (heldOut.Count < count)
        {
            int index = random.Next(all.Count);
            heldOut.Add(all[index]);
            all.RemoveAt(index);
        }

        return heldOut;
    }
}
