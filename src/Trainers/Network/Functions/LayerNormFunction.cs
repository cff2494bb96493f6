using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Layer normalisation on a CPU, by <see cref="LayerNormKernel"/>.</summary>
internal sealed class LayerNormFunction : autograd.SingleTensorFunction<LayerNormFunction>
{
    public override string Name => nameof(LayerNormFunction);

    /// <summary>The normalised rows.</summary>
    /// <param name="x">(N, C) float32.</param>
    /// <param name="norm">Gain and bias.</param>
    /// <param name="type">The type of the result.</param>
    /// <returns>(N, C).</returns>
    public static Tensor Of(Tensor x, LayerNorm norm, ScalarType type) => apply(x, norm.Gain, norm, type);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        Tensor x = ((Tensor)vars[0]).contiguous();
        var norm = (LayerNorm)vars[2];
        Tensor moments = empty([x.size(0), 2], ScalarType.Float32);
        ctx.save_for_backward([x, moments]);
        ctx.save_data(nameof(LayerNorm), norm);
        return LayerNormKernel.Forward(x, norm.Gain, norm.Bias, norm.Epsilon, (ScalarType)vars[3], moments);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => BackwardPass.Step(grad_output, 4, () =>
    {
        var norm = (LayerNorm)ctx.get_data(nameof(LayerNorm));
        List<Tensor> saved = ctx.get_saved_variables();
        return [LayerNormKernel.Backward(saved[0], norm.Gain, saved[1], grad_output.contiguous(), norm.GainGradient, norm.BiasGradient)];
    });
}
