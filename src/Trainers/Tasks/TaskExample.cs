namespace MLNet.Gpt;

/// <summary>One labelled example as token sequences.</summary>
/// <param name="Sequences">As <see cref="TaskSequences.Build"/> lays them out.</param>
/// <param name="Label">The class (or answer), from 0; -1 for a label that training does not know.</param>
/// <param name="Target">The number that a regression should give.</param>
internal sealed record TaskExample(int[][] Sequences, int Label, float Target)
{
    /// <summary>The data view's row, from 0.</summary>
    public long Row { get; init; }

    /// <summary>The longest sequence.</summary>
    public int Width { get; } = Sequences.Max(static sequence => sequence.Length);
}
