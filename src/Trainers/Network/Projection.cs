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

    /// <summary>(out) float32.</summary>
    public Tensor WideBias { get; } = parameters.Wide($"{name}.bias");

    /// <summary>(in, out) float32: a view of the flat gradient; null where that is frozen.</summary>
    public Tensor? WeightGradient { get; } = parameters.GradientOf($"{name}.weight");

    /// <summary>(out) float32: a view of the flat gradient; null where that is frozen.</summary>
    public Tensor? BiasGradient { get; } = parameters.GradientOf($"{name}.bias");

    /// <summary>What is added to the map; null (the default) for nothing.</summary>
    public IProjectionAdapter? Adapter { get; set; }

    /// <summary>The map of some rows.</summary>
    /// <param name="x">(N, in), of the working type.</param>
    /// <param name="training">Whether dropout is on.</param>
    /// <returns>(N, out), of the working type.</returns>
    public Tensor Of(Tensor x, bool training) => WithAdapter(
        x.device_type == DeviceType.CPU ? LinearFunction.Of(x, this, withBias: true) : addmm(Bias, x, Weight, 1f, 1f), x, training);

    /// <summary>gelu of the map.</summary>
    /// <param name="x">(N, in), of the working type.</param>
    /// <param name="training">Whether dropout is on.</param>
    /// <returns>(N, out), of the working type.</returns>
    public Tensor GeluOf(Tensor x, bool training) => x.device_type == DeviceType.CPU
        ? GeluFunction.Of(WithAdapter(LinearFunction.Of(x, this, withBias: false), x, training), this)
        : nn.functional.gelu(Of(x, training), TorchSharp.Modules.GELU.Approximate.tanh);

    /// <summary>Adds the gradients that follow from the gradient of the map to the flat gradient, where that isn't frozen.</summary>
    /// <param name="x">(N, in), of the working type.</param>
    /// <param name="dy">(N, out), of the working type.</param>
    /// <param name="withBias">Whether the bias's is among them.</param>
    public void AddGradient(Tensor x, Tensor dy, bool withBias)
    {
        if (withBias) BiasGradient?.add_(dy.sum([0L], false, ScalarType.Float32));
        if (WeightGradient is null) return;
        if (dy.dtype == ScalarType.Float32) WeightGradient.addmm_(x.t(), dy);
        else WeightGradient.add_(x.t().mm(dy).to(ScalarType.Float32));     // a sum of two types is many times slower
    }

    private Tensor WithAdapter(Tensor y, Tensor x, bool training) => Adapter is null ? y : y + Adapter.Of(x, training);
}
