namespace MLNet.Gpt;

/// <summary>Cuts tokens into chunks whose logits fit into memory: those of a whole batch are its largest tensor by far.</summary>
internal static class HeadChunks
{
    /// <summary>Logits held at once: 64 MB of float32.</summary>
    public const long Elements = 16 << 20;

    /// <summary>The chunks, in order.</summary>
    /// <param name="rows">N: tokens.</param>
    /// <param name="vocabulary">V: logits of a token.</param>
    /// <param name="elements">The most logits of a chunk; a chunk has a row at least.</param>
    public static IEnumerable<(long Start, long Count)> Of(long rows, long vocabulary, long elements = Elements)
    {
        long size = Math.Max(1, elements / vocabulary);
        for (long start = 0; start < rows; start += size) yield return (start, Math.Min(size, rows - start));
    }
}
