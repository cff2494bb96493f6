using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>GELU in its tanh form, by <see cref="GeluKernel"/> where that takes the tensor, else by libtorch.</summary>
internal sealed class GeluFunction : autograd.SingleTensorFunction<GeluFunction>
{
    public override string Name => nameof(GeluFunction);

    /// <summary>GELU(x), element by element.</summary>
    /// <param name="x">Any shape.</param>
    /// <returns>Of the same shape and type.</returns>
    public static Tensor Of(Tensor x)
    {
        if (!GeluKernel.Takes(x)) return nn.functional.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh);
        return is_grad_enabled() && x.requires_grad ? apply(x) : GeluKernel.Forward(x);
    }

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var x = (Tensor)vars[0];
        ctx.save_data(nameof(KeptTensors), KeptTensors.Of(x));
        return GeluKernel.Forward(x);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => BackwardPass.Step(grad_output, 1, () =>
    {
        using var kept = (KeptTensors)ctx.get_data(nameof(KeptTensors));
        return [GeluKernel.Backward(kept[0], grad_output.contiguous())];
    });
}
