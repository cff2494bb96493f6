namespace MLNet.Gpt;

/// <summary>Where a text may be cut into chunks.</summary>
public enum ChunkUnit
{
    /// <summary>Between sentences; a sentence that is too long by itself is cut between tokens.</summary>
    Sentences,

    /// <summary>Between tokens, but never within a character.</summary>
    Tokens,
}
