using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>One of a block's four linear maps, y = x·W + b.</summary>
/// <param name="parameters">Holds W and b.</param>
/// <param name="name">Their name without <c>.weight</c> and <c>.bias</c>.</param>
internal sealed class Projection(FlatParameters parameters, string name)
{
    /// <summary>(in, out), of the working type.</summary>
    public Tensor Weight { get; } = parameters[$"{name}.weight"];

    /// <summary>(out), of the working type.</summary>
    public Tensor Bias { get; } = parameters[$"{name}.bias"];

    /// <summary>What is added to the map; null (the default) for nothing.</summary>
    public IProjectionAdapter? Adapter { get; set; }

    /// <summary>The map of some rows.</summary>
    /// <param name="x">(N, in), of the working type.</param>
    /// <param name="training">Whether dropout is on.</param>
    /// <returns>(N, out), of the working type.</returns>
    public Tensor Of(Tensor x, bool training)
    {
        Tensor y = LinearFunction.Of(x, Weight, Bias);
        return Adapter is null ? y : y.Plus(Adapter.Of(x, training));
    }
}
