using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The parameters of one Transformer block, by what they do. Projections are [in, out], of the working type; LayerNorm is float32.</summary>
internal sealed class GptLayer(FlatParameters parameters, int index)
{
    public Tensor Norm1Gain { get; } = parameters.Wide($"h.{index}.ln_1.weight");

    public Tensor Norm1Bias { get; } = parameters.Wide($"h.{index}.ln_1.bias");

    public Tensor AttentionInWeight { get; } = parameters[$"h.{index}.attn.c_attn.weight"];

    public Tensor AttentionInBias { get; } = parameters[$"h.{index}.attn.c_attn.bias"];

    public Tensor AttentionOutWeight { get; } = parameters[$"h.{index}.attn.c_proj.weight"];

    public Tensor AttentionOutBias { get; } = parameters[$"h.{index}.attn.c_proj.bias"];

    public Tensor Norm2Gain { get; } = parameters.Wide($"h.{index}.ln_2.weight");

    public Tensor Norm2Bias { get; } = parameters.Wide($"h.{index}.ln_2.bias");

    public Tensor FeedForwardInWeight { get; } = parameters[$"h.{index}.mlp.c_fc.weight"];

    public Tensor FeedForwardInBias { get; } = parameters[$"h.{index}.mlp.c_fc.bias"];

    public Tensor FeedForwardOutWeight { get; } = parameters[$"h.{index}.mlp.c_proj.weight"];

    public Tensor FeedForwardOutBias { get; } = parameters[$"h.{index}.mlp.c_proj.bias"];
}
