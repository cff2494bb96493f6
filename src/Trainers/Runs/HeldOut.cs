namespace MLNet.Gpt;

/// <summary>Holds out a share of a training set for validation.</summary>
internal static class HeldOut
{
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
