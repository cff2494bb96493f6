namespace MLNet.Gpt;

/// <summary>The parameters of one Transformer block, by what they do. Projections are [in, out], of the working type; LayerNorm is float32.</summary>
internal sealed class GptLayer(FlatParameters parameters, int index, double layerNormEpsilon)
{
    /// <summary>Before the attention (pre-norm) or after it (post-norm).</summary>
    public LayerNorm Norm1 { get; } = new(parameters, $"h.{index}.ln_1", layerNormEpsilon);

    /// <summary>(C, 3C): queries, keys and values.</summary>
    public Projection AttentionIn { get; } = new(parameters, $"h.{index}.attn.c_attn");

    /// <summary>(C, C): back into the residual stream.</summary>
    public Projection AttentionOut { get; } = new(parameters, $"h.{index}.attn.c_proj");

    /// <summary>Before the feed-forward network (pre-norm) or after it (post-norm).</summary>
    public LayerNorm Norm2 { get; } = new(parameters, $"h.{index}.ln_2", layerNormEpsilon);

    /// <summary>(C, F).</summary>
    public Projection FeedForwardIn { get; } = new(parameters, $"h.{index}.mlp.c_fc");

    /// <summary>(F, C): back into the residual stream.</summary>
    public Projection FeedForwardOut { get; } = new(parameters, $"h.{index}.mlp.c_proj");
}
