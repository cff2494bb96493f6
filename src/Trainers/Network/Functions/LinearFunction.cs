using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>x·W + b, and x·W + b + r, whose products <see cref="MatrixProduct"/> computes, in the backward pass too.</summary>
internal sealed class LinearFunction : autograd.SingleTensorFunction<LinearFunction>
{
    public override string Name => nameof(LinearFunction);

    /// <summary>The map of some rows, by this function where that is the faster way, else by libtorch's own.</summary>
    /// <param name="x">(N, in).</param>
    /// <param name="weight">(in, out), of the same type.</param>
    /// <param name="bias">(out), of the same type.</param>
    /// <param name="residual">(N, out), of the same type: added; null (the default) for nothing.</param>
    /// <returns>(N, out).</returns>
    public static Tensor Of(Tensor x, Tensor weight, Tensor bias, Tensor? residual = null)
    {
        bool recorded = is_grad_enabled() && (x.requires_grad || weight.requires_grad || bias.requires_grad || residual?.requires_grad == true);
        if (!recorded || MatrixProduct.EngineOf(x, weight) == ProductEngine.LibTorch) return residual is null ? MatrixProduct.Of(x, weight, bias) : MatrixProduct.Of(x, weight, bias, residual);
        var needs = new Needs(x.requires_grad, weight.requires_grad, bias.requires_grad, residual is null ? null : residual.requires_grad);
        return residual is null ? apply(x, weight, bias, needs) : apply(x, weight, bias, needs, residual);
    }

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        Tensor x = (Tensor)vars[0], weight = (Tensor)vars[1], bias = (Tensor)vars[2];
        ctx.save_data(nameof(KeptTensors), ((Needs)vars[3]).Weight ? KeptTensors.Of(weight, x) : KeptTensors.Of(weight));
        ctx.save_data(nameof(Needs), vars[3]);
        return vars.Length == 4 ? MatrixProduct.Of(x, weight, bias) : MatrixProduct.Of(x, weight, bias, (Tensor)vars[4]);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        var needs = (Needs)ctx.get_data(nameof(Needs));
        return BackwardPass.Step(grad_output, needs.Residual is null ? 4 : 5, () =>
        {
            using var kept = (KeptTensors)ctx.get_data(nameof(KeptTensors));
            return
            [
                needs.X ? MatrixProduct.Of(grad_output, kept[0].t()) : null,
                needs.Weight ? MatrixProduct.Of(kept[1].t(), grad_output) : null,
                needs.Bias ? grad_output.sum([0]) : null,
                null,
                .. (Tensor?[])(needs.Residual is { } wanted ? [wanted ? grad_output : null] : []),
            ];
        });
    }

    /// <summary>Whose gradients are wanted; null for a residual that there is none of.</summary>
    private sealed record Needs(bool X, bool Weight, bool Bias, bool? Residual);
}
