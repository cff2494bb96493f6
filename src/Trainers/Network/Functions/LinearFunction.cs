using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>x·W, with or without + b, on a CPU: the gradients of W and b are added to the flat gradient where they are formed.</summary>
internal sealed class LinearFunction : autograd.SingleTensorFunction<LinearFunction>
{
    public override string Name => nameof(LinearFunction);

    /// <summary>The map of some rows.</summary>
    /// <param name="x">(N, in), of the working type.</param>
    /// <param name="projection">W and b.</param>
    /// <param name="withBias">Whether b is added.</param>
    /// <returns>(N, out), of the working type.</returns>
    public static Tensor Of(Tensor x, Projection projection, bool withBias) => apply(x, projection.Weight, projection, withBias);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var x = (Tensor)vars[0];
        var projection = (Projection)vars[2];
        bool withBias = (bool)vars[3];
        ctx.save_for_backward([x]);
        ctx.save_data(nameof(Projection), projection);
        ctx.save_data(nameof(withBias), withBias);
        Tensor y = x.mm(projection.Weight);
        return withBias ? y.add_(projection.Bias) : y;
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => BackwardPass.Step(grad_output, 4, () =>
    {
        var projection = (Projection)ctx.get_data(nameof(Projection));
        Tensor dy = grad_output.contiguous();
        projection.AddGradient(ctx.get_saved_variables()[0], dy, (bool)ctx.get_data("withBias"));
        return [dy.mm(projection.Weight.t())];
    });
}
