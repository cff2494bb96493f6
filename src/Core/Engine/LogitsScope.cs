namespace MLNet.Gpt;

/// <summary>Which positions' logits an <see cref="ICausalDecoder"/> computes.</summary>
public enum LogitsScope
{
    /// <summary>The last position of each row: what generation needs.</summary>
    LastPosition,

    /// <summary>Every appended position: what scoring needs.</summary>
    AllPositions,
}
