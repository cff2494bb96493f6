namespace MLNet.Gpt;

/// <summary>The sizes of a causal self-attention.</summary>
/// <param name="Rows">B.</param>
/// <param name="Length">T.</param>
/// <param name="Heads">H.</param>
/// <param name="HeadSize">D.</param>
/// <param name="Band">The most positions that a query sees, itself among them; <see cref="int.MaxValue"/> for all before it.</param>
internal sealed record AttentionShape(long Rows, long Length, long Heads, long HeadSize, int Band)
{
    /// <summary>1/√D.</summary>
    public float Scale => (float)(1 / Math.Sqrt(HeadSize));

    /// <summary>Queries of a block: it meets only the keys up to its last query, which spares up to half of the products.</summary>
    public long BlockLength => Math.Min(Length, 128);

    /// <summary>Rows of the batch whose scores are computed at once, so that they stay in the cache between the product and the softmax.</summary>
    public long RowsAtOnce => Math.Clamp((1 << 19) / (Heads * BlockLength * Length), 1, Rows);
}
