using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>x + y·W + b on a CPU: a block's way back into the residual stream, which is float32.</summary>
internal sealed class ResidualFunction : autograd.SingleTensorFunction<ResidualFunction>
{
    public override string Name => nameof(ResidualFunction);

    /// <summary>The sum.</summary>
    /// <param name="x">(N, C) float32.</param>
    /// <param name="y">(N, in), of the working type.</param>
    /// <param name="projection">W and b.</param>
    /// <returns>(N, C) float32.</returns>
    public static Tensor Of(Tensor x, Tensor y, Projection projection) => apply(x, y, projection.Weight, projection);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        Tensor x = (Tensor)vars[0], y = (Tensor)vars[1];
        var projection = (Projection)vars[3];
        ctx.save_for_backward([y]);
        ctx.save_data(nameof(Projection), projection);
        if (y.dtype == ScalarType.Float32) return x.addmm(y, projection.Weight).add_(projection.WideBias);
        using var scope = NewDisposeScope();
        return y.mm(projection.Weight).to(ScalarType.Float32).add_(x).add_(projection.WideBias).MoveToOuterDisposeScope();
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => BackwardPass.Step(grad_output, 4, () =>
    {
        var projection = (Projection)ctx.get_data(nameof(Projection));
        Tensor y = ctx.get_saved_variables()[0];
        Tensor dy = grad_output.contiguous().to(y.dtype);
        projection.AddGradient(y, dy, withBias: false);
        projection.BiasGradient?.add_(grad_output.sum(0L));
        return [grad_output, dy.mm(projection.Weight.t())];
    });
}
