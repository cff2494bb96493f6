namespace MLNet.Gpt;

/// <summary>Consecutive tokens of a token file.</summary>
/// <param name="Start">The first token, counted from the file's first.</param>
/// <param name="Length">How many tokens.</param>
public readonly record struct TokenRange(long Start, long Length)
{
    /// <summary>The token after the last.</summary>
    public long End => Start + Length;
}
