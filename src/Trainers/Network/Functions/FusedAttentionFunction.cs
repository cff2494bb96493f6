using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Multi-head causal self-attention in float32 on a CPU, by <see cref="AttentionKernel"/>.</summary>
internal sealed class FusedAttentionFunction : autograd.SingleTensorFunction<FusedAttentionFunction>
{
    public override string Name => nameof(FusedAttentionFunction);

    /// <summary>The weighted sums of the values.</summary>
    /// <param name="qkv">(B·T, 3C) float32: queries, keys and values side by side.</param>
    /// <param name="shape">The sizes.</param>
    /// <returns>(B·T, C).</returns>
    public static Tensor Of(Tensor qkv, AttentionShape shape) => apply(qkv, shape);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        Tensor qkv = ((Tensor)vars[0]).contiguous();
        var shape = (AttentionShape)vars[1];
        Tensor normalizers = empty([shape.Rows * shape.Heads, shape.Length], ScalarType.Float32);
        ctx.save_for_backward([qkv, normalizers]);
        ctx.save_data(nameof(AttentionShape), shape);
        return AttentionKernel.Forward(qkv, shape, normalizers);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => BackwardPass.Step(grad_output, 2, () =>
    {
        List<Tensor> saved = ctx.get_saved_variables();
        return [AttentionKernel.Backward(saved[0], saved[1], grad_output.contiguous(), (AttentionShape)ctx.get_data(nameof(AttentionShape)))];
    });
}
