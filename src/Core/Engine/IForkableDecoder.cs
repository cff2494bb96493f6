namespace MLNet.Gpt;

/// <summary>
/// A decoder whose state is a value: it can be copied, cut back and joined with another's. So one computation of a prompt serves many continuations, a conversation goes on from where it
/// stood, and sequences join and leave a batch that is under way.
/// </summary>
/// <remarks>Belongs to one thread at a time, as every <see cref="ICausalDecoder"/>.</remarks>
public interface IForkableDecoder : ICausalDecoder
{
    /// <summary>A copy that goes on independently.</summary>
    /// <param name="capacity">The most positions that fit the copy; at least <see cref="ICausalDecoder.Length"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is below the length.</exception>
    IForkableDecoder Fork(int capacity);

    /// <summary>Forgets the last positions of every row.</summary>
    /// <param name="length">The positions that stay, padding included; 1 to <see cref="ICausalDecoder.Length"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is outside its range.</exception>
    void Truncate(int length);

    /// <summary>Takes the rows of another decoder of the same model behind its own, and disposes the other one. The rows of the shorter of the two are padded on the left.</summary>
    /// <param name="other">The other one; its positions must fit <see cref="ICausalDecoder.Capacity"/>.</param>
    /// <exception cref="ArgumentException">The other one is this one, or another model's, or longer than this one's capacity.</exception>
    void Join(IForkableDecoder other);

    /// <summary>Drops the places on the left that are padding in every row: <see cref="ICausalDecoder.Length"/> becomes the tokens of the longest row.</summary>
    void Compact();
}
