using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The parameters of one Transformer block, by what they do. Projections are [in, out], of the working type; LayerNorm is float32.</summary>
internal sealed class GptLayer(FlatParameters parameters, int index)
{
    public Tensor Norm1Gain { get; } = parameters.Wide($"h.{index}.ln_1.weight");

    public Tensor Norm1Bias { get; } = parameters.Wide($"h.{index}.ln_1.bias");

    /// <summary>(C, 3C): queries, keys and values.</summary>
    public Projection AttentionIn { get; } = ProjectionOf(parameters, $"h.{index}.attn.c_attn");

    /// <summary>(C, C): back into the residual stream.</summary>
    public Projection AttentionOut { get; } = ProjectionOf(parameters, $"h.{index}.attn.c_proj");

    public Tensor Norm2Gain { get; } = parameters.Wide($"h.{index}.ln_2.weight");

    public Tensor Norm2Bias { get; } = parameters.Wide($"h.{index}.ln_2.bias");

    /// <summary>(C, F).</summary>
    public Projection FeedForwardIn { get; } = ProjectionOf(parameters, $"h.{index}.mlp.c_fc");

    /// <summary>(F, C): back into the residual stream.</summary>
    public Projection FeedForwardOut { get; } = ProjectionOf(parameters, $"h.{index}.mlp.c_proj");

    private static Projection ProjectionOf(FlatParameters parameters, string name) => new(parameters[$"{name}.weight"], parameters[$"{name}.bias"]);
}
