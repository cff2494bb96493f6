namespace MLNet.Gpt;

/// <summary>A mask that can be copied where it stands: what beam search needs, in which one beginning goes on in several ways.</summary>
public interface IForkableTokenMask : ITokenMask
{
    /// <summary>A mask of the same sequence so far, which goes on independently.</summary>
    IForkableTokenMask Fork();
}
