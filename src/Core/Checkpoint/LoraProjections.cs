namespace MLNet.Gpt;

/// <summary>The linear maps of a block that LoRA adapts, with the names of PEFT's <c>target_modules</c> for GPT-2.</summary>
[Flags]
public enum LoraProjections
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Queries, keys and values: <c>attn.c_attn</c>.</summary>
    AttentionIn = 1,

    /// <summary>Attention's way back into the residual stream: <c>attn.c_proj</c>.</summary>
    AttentionOut = 2,

    /// <summary>The feed-forward layer's first map: <c>mlp.c_fc</c>.</summary>
    FeedForwardIn = 4,

    /// <summary>The feed-forward layer's second map: <c>mlp.c_proj</c>.</summary>
    FeedForwardOut = 8,

    /// <summary>Both maps of attention.</summary>
    Attention = AttentionIn | AttentionOut,

    /// <summary>Both maps of the feed-forward layer.</summary>
    FeedForward = FeedForwardIn | FeedForwardOut,

    /// <summary>All four maps, as PEFT's <c>all-linear</c>.</summary>
    All = Attention | FeedForward,
}
