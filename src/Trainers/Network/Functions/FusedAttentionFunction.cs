using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Causal self-attention by <see cref="AttentionKernel"/>.</summary>
/// <remarks>Symbols: B batch, T time, H heads, C channels.</remarks>
internal sealed class FusedAttentionFunction : autograd.SingleTensorFunction<FusedAttentionFunction>
{
    public override string Name => nameof(FusedAttentionFunction);

    /// <summary>The weighted sums of the values.</summary>
    /// <param name="projected">(B·T, 3C) float32 or bfloat16 on the CPU: queries, keys and values side by side, of a form that <see cref="AttentionKernel.Takes"/>.</param>
    /// <param name="b">B.</param>
    /// <param name="t">T.</param>
    /// <param name="h">H.</param>
    /// <returns>(B·T, C), of the same type.</returns>
    public static Tensor Of(Tensor projected, long b, long t, long h)
    {
        if (is_grad_enabled() && projected.requires_grad) return apply(projected.contiguous(), new Shape(b, t, h));
        (Tensor output, Tensor logSums) = AttentionKernel.Forward(projected.contiguous(), b, t, h);
        logSums.Dispose();
        return output;
    }

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var projected = (Tensor)vars[0];
        var shape = (Shape)vars[1];
        (Tensor output, Tensor logSums) = AttentionKernel.Forward(projected, shape.B, shape.T, shape.H);
        KeptTensors kept = KeptTensors.Of(projected, output);
        kept.Add(logSums);
        ctx.save_data(nameof(KeptTensors), kept);
        ctx.save_data(nameof(Shape), shape);
        return output;
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => BackwardPass.Step(grad_output, 2, () =>
    {
        var shape = (Shape)ctx.get_data(nameof(Shape));
        using var kept = (KeptTensors)ctx.get_data(nameof(KeptTensors));
        return [AttentionKernel.Backward(kept[0], kept[1], kept[2], grad_output.contiguous(), shape.B, shape.T, shape.H)];
    });

    private sealed record Shape(long B, long T, long H);
}
