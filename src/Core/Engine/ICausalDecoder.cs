namespace MLNet.Gpt;

/// <summary>A batch of token sequences under way, with the key/value cache of what has been appended so far.</summary>
/// <remarks>Belongs to one thread at a time. Disposing it releases the cache, after a call that is under way. It may outlive its model's disposal, and keeps the weights until it is disposed itself.</remarks>
public interface ICausalDecoder : IDisposable
{
    /// <summary>B: the rows of the batch.</summary>
    int RowCount { get; }

    /// <summary>The positions appended so far, padding included; the same for every row.</summary>
    int Length { get; }

    /// <summary>The most positions that fit.</summary>
    int Capacity { get; }

    /// <summary>
    /// Appends n tokens to every row and computes logits. Row b's tokens are <c>tokenIds[b·n .. (b+1)·n]</c>. A row shorter than the
    /// others is padded on the left in its first call: a padded place has mask 0, is never attended to, and does not count as
    /// a position (the first real token of a row has position 0).
    /// </summary>
    /// <param name="tokenIds">(B, n) token ids, row-major; n is 1 or more. A padded place holds any valid id.</param>
    /// <param name="mask">(B, n): 1 for a token, 0 for padding; empty where nothing is padded.</param>
    /// <param name="scope">Which positions' logits are wanted.</param>
    /// <param name="logits">Receives (B, V) float32 logits of each row's last position, or (B, n, V) of all n. Logits of padded places are undefined.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>, while it computes where the engine can stop; the decoder stays as it was.</param>
    /// <exception cref="ArgumentException">A span's length does not fit, or the tokens do not fit the capacity.</exception>
    /// <exception cref="TokenOutOfRangeException">A token id is outside the vocabulary.</exception>
    /// <exception cref="PromptTooLongException">A row would exceed the model's context length.</exception>
    void Append(ReadOnlySpan<int> tokenIds, ReadOnlySpan<byte> mask, LogitsScope scope, Span<float> logits, CancellationToken cancellationToken = default);

    /// <summary>Keeps the given rows, in the given order, and drops the rest: finished rows leave, a row may be repeated.</summary>
    /// <param name="rows">Indices of current rows, at least one.</param>
    /// <exception cref="ArgumentOutOfRangeException">An index is not a current row, or there is none.</exception>
    void SelectRows(ReadOnlySpan<int> rows);
}
