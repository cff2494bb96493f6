namespace MLNet.Gpt;

/// <summary>The argument checks that every <see cref="ICausalDecoder"/> owes its callers.</summary>
internal static class CausalDecoderChecks
{
    /// <summary>Checks the arguments of <see cref="ICausalDecoder.Append"/>, the context length aside.</summary>
    /// <returns>n: the tokens appended to each row.</returns>
    /// <exception cref="ArgumentException">A span's length does not fit, or the tokens do not fit the capacity.</exception>
    /// <exception cref="TokenOutOfRangeException">A token id is outside the vocabulary.</exception>
    public static int Validate(ICausalDecoder decoder, GptConfig config, ReadOnlySpan<int> tokenIds, ReadOnlySpan<byte> mask, LogitsScope scope, Span<float> logits)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(config);
        int b = decoder.RowCount;
        if (tokenIds.IsEmpty || tokenIds.Length % b != 0)
            throw new ArgumentException($"{tokenIds.Length} token ids can't be divided over {b} rows; give each row the same number, 1 or more.", nameof(tokenIds));
        int n = tokenIds.Length / b;
        if (!mask.IsEmpty && mask.Length != tokenIds.Length)
            throw new ArgumentException($"The mask has {mask.Length} places for {tokenIds.Length} token ids; give one for each, or none at all.", nameof(mask));
        if (decoder.Length + n > decoder.Capacity)
            throw new ArgumentException($"{n} more positions after {decoder.Length} exceed the capacity of {decoder.Capacity}; begin with a larger capacity.", nameof(tokenIds));
        long expected = (long)b * (scope == LogitsScope.AllPositions ? n : 1) * config.VocabularySize;
        if (logits.Length != expected)
            throw new ArgumentException($"The logits' buffer holds {logits.Length} numbers; {scope} of {b} rows needs {expected}.", nameof(logits));
        for (int i = 0; i < tokenIds.Length; i++)
        {
            if ((uint)tokenIds[i] >= (uint)config.VocabularySize)
                throw new TokenOutOfRangeException(tokenIds[i], config.VocabularySize, $"row {i / n}, position {decoder.Length + (i % n)}");
        }

        return n;
    }

    /// <summary>Checks the argument of <see cref="ICausalDecoder.SelectRows"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An index is not a current row, or there is none.</exception>
    public static void ValidateRows(ReadOnlySpan<int> rows, int rowCount)
    {
        if (rows.IsEmpty) throw new ArgumentOutOfRangeException(nameof(rows), "No row is kept; dispose the decoder instead.");
        foreach (int row in rows)
        {
            if ((uint)row >= (uint)rowCount)
                throw new ArgumentOutOfRangeException(nameof(rows), row, $"There is no row {row}; the batch has rows 0 to {rowCount - 1}.");
        }
    }

    /// <summary>Checks the argument of <see cref="IForkableDecoder.Fork"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is below the length.</exception>
    public static void ValidateFork(ICausalDecoder decoder, int capacity)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        if (capacity < Math.Max(1, decoder.Length))
            throw new ArgumentOutOfRangeException(nameof(capacity), capacity, $"The capacity is {capacity}; it must be at least {Math.Max(1, decoder.Length)}, the positions that are there.");
    }

    /// <summary>Checks the argument of <see cref="IForkableDecoder.Truncate"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The length is not 1 to the decoder's.</exception>
    public static void ValidateTruncate(ICausalDecoder decoder, int length)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        if (length < 1 || length > decoder.Length)
            throw new ArgumentOutOfRangeException(nameof(length), length, $"The length is {length}; it must be 1 to {decoder.Length}, the positions that are there.");
    }

    /// <summary>Checks the argument of <see cref="IForkableDecoder.Join"/>.</summary>
    /// <param name="decoder">The one that takes the rows.</param>
    /// <param name="other">The one that gives them.</param>
    /// <param name="sameModel">Whether both are of one model.</param>
    /// <exception cref="ArgumentException">The other one is this one, or another model's, or longer than this one's capacity.</exception>
    public static void ValidateJoin(ICausalDecoder decoder, ICausalDecoder other, bool sameModel)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(other);
        if (ReferenceEquals(decoder, other)) throw new ArgumentException("A decoder can't join itself; fork it first.", nameof(other));
        if (!sameModel) throw new ArgumentException("The decoders are of different models; both must come from the same one.", nameof(other));
        if (other.Length > decoder.Capacity)
            throw new ArgumentException($"{other.Length} positions exceed the capacity of {decoder.Capacity}; begin with a larger capacity.", nameof(other));
    }
}
