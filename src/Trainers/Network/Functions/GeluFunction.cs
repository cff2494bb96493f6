using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>gelu(h + b) on a CPU, by <see cref="GeluKernel"/>.</summary>
internal sealed class GeluFunction : autograd.SingleTensorFunction<GeluFunction>
{
    public override string Name => nameof(GeluFunction);

    /// <summary>The activation.</summary>
    /// <param name="h">(N, F), of the working type: the projection's map without its bias.</param>
    /// <param name="projection">Has the bias.</param>
    /// <returns>(N, F), of the working type.</returns>
    public static Tensor Of(Tensor h, Projection projection) => apply(h, projection.Bias, projection);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var h = (Tensor)vars[0];
        var projection = (Projection)vars[2];
        ctx.save_for_backward([h]);
        ctx.save_data(nameof(Projection), projection);
        return GeluKernel.Forward(h, projection.WideBias);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => BackwardPass.Step(grad_output, 3, () =>
    {
        var projection = (Projection)ctx.get_data(nameof(Projection));
        return [GeluKernel.Backward(ctx.get_saved_variables()[0], projection.WideBias, grad_output.contiguous(), projection.BiasGradient)];
    });
}
