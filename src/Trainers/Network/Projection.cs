using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>One of a block's four linear maps, y = x·W + b.</summary>
/// <param name="weight">(in, out), of the working type.</param>
/// <param name="bias">(out), of the working type.</param>
internal sealed class Projection(Tensor weight, Tensor bias)
{
    /// <summary>(in, out).</summary>
    public Tensor Weight { get; } = weight;

    /// <summary>(out).</summary>
    public Tensor Bias { get; } = bias;

    /// <summary>What is added to the map; null (the default) for nothing.</summary>
    public IProjectionAdapter? Adapter { get; set; }

    /// <summary>The map of some rows.</summary>
    /// <param name="x">(N, in), of the working type.</param>
    /// <param name="training">Whether dropout is on.</param>
    /// <returns>(N, out), of the working type.</returns>
    public Tensor Of(Tensor x, bool training)
    {
        Tensor y = addmm(Bias, x, Weight, 1f, 1f);
        return Adapter is null ? y : y + Adapter.Of(x, training);
    }
}
