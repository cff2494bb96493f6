namespace MLNet.Gpt.EndToEnd.Tests;

/// <summary>A constraint: one of some token sequences, then the end.</summary>
internal sealed class OneOf(IReadOnlyList<int[]> choices, int endOfTextId) : ITokenConstraint, ITokenMask
{
    public ITokenMask Begin(IReadOnlyList<int> promptTokenIds, IReadOnlyList<int> stopTokenIds) => this;

    public void Apply(ReadOnlySpan<int> newTokenIds, Span<float> logits)
    {
        var allowed = new HashSet<int>();
        foreach (int[] choice in choices)
        {
            if (choice.AsSpan().StartsWith(newTokenIds)) allowed.Add(choice.Length == newTokenIds.Length ? endOfTextId : choice[newTokenIds.Length]);
        }

        for (int i = 0; i < logits.Length; i++)
        {
            if (!allowed.Contains(i)) logits[i] = float.NegativeInfinity;
        }
    }
}
