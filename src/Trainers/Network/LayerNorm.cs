using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The parameters of a layer normalisation, float32.</summary>
/// <param name="parameters">Holds them.</param>
/// <param name="name">Their name without <c>.weight</c> and <c>.bias</c>.</param>
/// <param name="epsilon">What is added to the variance.</param>
internal sealed class LayerNorm(FlatParameters parameters, string name, double epsilon)
{
    /// <summary>(C).</summary>
    public Tensor Gain { get; } = parameters.Wide($"{name}.weight");

    /// <summary>(C).</summary>
    public Tensor Bias { get; } = parameters.Wide($"{name}.bias");

    /// <summary>The normalised rows.</summary>
    /// <param name="x">(N, C) float32.</param>
    /// <param name="type">The type of the result.</param>
    public Tensor Of(Tensor x, ScalarType type) =>
        nn.functional.layer_norm(x, [Gain.size(0)], Gain, Bias, epsilon).to(type);
}
