using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Multi-head causal self-attention (Vaswani et al. 2017, equation 1) in bfloat16 on a CPU for forms that <see cref="AttentionKernel"/> does not take, as
/// matrix products over blocks of queries: a block reads the keys that its queries may see and no others. Where products in bfloat16 are fast
/// (<see cref="ProcessorFeatures.HasBFloat16Products"/>), libtorch's fused attention gains nothing from them and takes two to three times as long
/// (<c>benchmarks/run.sh kernels</c>); elsewhere, and in float32, it is the faster one. The price is that the probabilities are kept for the backward pass.
/// </summary>
/// <remarks>Symbols: B batch, T time, H heads, D head size, C = H·D channels, n queries of a block, m keys that they see.</remarks>
internal sealed class CausalAttentionFunction : autograd.SingleTensorFunction<CausalAttentionFunction>
{
    /// <summary>Queries of a block: smaller ones skip more of what is masked, larger ones make better products.</summary>
    private const long BlockSize = 128;

    public override string Name => nameof(CausalAttentionFunction);

    /// <summary>Whether this is the faster way for rows of a type that <see cref="AttentionKernel"/> does not take.</summary>
    /// <param name="type">What the network computes in.</param>
    public static bool IsFaster(ScalarType type) => type == ScalarType.BFloat16 && ProcessorFeatures.Current.HasBFloat16Products;

    /// <summary>The weighted sums of the values.</summary>
    /// <param name="projected">(B·T, 3C): queries, keys and values side by side.</param>
    /// <param name="b">B.</param>
    /// <param name="t">T.</param>
    /// <param name="h">H.</param>
    /// <param name="band">How many positions a query sees, itself included; null for all before it.</param>
    /// <returns>(B·T, C), of the same type.</returns>
    public static Tensor Of(Tensor projected, long b, long t, long h, int? band) => 
        apply(projected, new Shape(b, t, h, projected.size(1) / (3 * h), band ?? t), is_grad_enabled() && projected.requires_grad ? new KeptTensors() : "nothing");

    /// <summary>Probabilities that one head of one row keeps for the backward pass.</summary>
    /// <param name="t">T.</param>
    /// <param name="band">As for <see cref="Of"/>.</param>
    public static long KeptProbabilities(long t, int? band) => new Shape(1, t, 1, 1, band ?? t).Blocks().Sum(static block => block.N * block.M);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        using var scope = NewDisposeScope();
        var projected = (Tensor)vars[0];
        var shape = (Shape)vars[1];
        (long b, long t, long h, long d, _) = shape;
        Tensor qkv = projected.view(b, t, 3, h, d).permute(2, 0, 3, 1, 4).contiguous().view(3, b * h, t, d);        // (3, B·H, T, D)
        Tensor q = qkv.select(0, 0).TimesInPlace(shape.Scale), k = qkv.select(0, 1), v = qkv.select(0, 2);          // (B·H, T, D), q/√D
        Tensor y = empty_like(q);
        var kept = vars[2] as KeptTensors;
        kept?.Add(qkv);
        kept?.Add(y);
        foreach ((long start, long n, long first, long m) in shape.Blocks())
        {
            Tensor scores = q.narrow(1, start, n).bmm(k.narrow(1, first, m).transpose(1, 2));                       // (B·H, n, m)
            // Without a band the block's queries see all keys before the block.
            long masked = shape.Band >= start + n ? n : m;
            scores.narrow(2, m - masked, masked).PlusInPlace(shape.Mask(start, n, start + n - masked, masked, q.dtype));
            Tensor p = scores.softmax(-1);
            y.narrow(1, start, n).copy_(p.bmm(v.narrow(1, first, m)));
            kept?.Add(p);
        }

        if (kept is not null) ctx.save_data(nameof(KeptTensors), kept);
        ctx.save_data(nameof(Shape), shape);
        return y.view(b, h, t, d).transpose(1, 2).reshape(b * t, h * d).MoveToOuterDisposeScope();                 // (B·T, C)
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => BackwardPass.Step(grad_output, 3, () =>
    {
        var shape = (Shape)ctx.get_data(nameof(Shape));
        (long b, long t, long h, long d, _) = shape;
        using var kept = (KeptTensors)ctx.get_data(nameof(KeptTensors));
        Tensor qkv = kept[0], y = kept[1];
        Tensor q = qkv.select(0, 0), k = qkv.select(0, 1), v = qkv.select(0, 2);
        Tensor dy = grad_output.view(b, t, h, d).transpose(1, 2).reshape(b * h, t, d);                              // (B·H, T, D)
        Tensor dqkv = zeros_like(qkv), dq = dqkv.select(0, 0), dk = dqkv.select(0, 1), dv = dqkv.select(0, 2);
        Tensor inner = (dy * y).sum(-1, true);                                                                      // (B·H, T, 1): Σ p·∂p, Dao et al. 2022, equation 4
        int block = 2;
        foreach ((long start, long n, long first, long m) in shape.Blocks())
        {
            using var scope = NewDisposeScope();
            Tensor p = kept[block++], dyBlock = dy.narrow(1, start, n);                                             // (B·H, n, m), (B·H, n, D)
            dv.narrow(1, first, m).PlusInPlace(p.transpose(1, 2).bmm(dyBlock));
            Tensor ds = dyBlock.bmm(v.narrow(1, first, m).transpose(1, 2)).sub_(inner.narrow(1, start, n)).mul_(p);
            dq.narrow(1, start, n).copy_(ds.bmm(k.narrow(1, first, m)));
            dk.narrow(1, first, m).PlusInPlace(ds.transpose(1, 2).bmm(q.narrow(1, start, n)));
        }

        dq.TimesInPlace(shape.Scale);
        return [dqkv.view(3, b, h, t, d).permute(1, 3, 0, 2, 4).reshape(b * t, 3 * h * d)];                         // (B·T, 3C)
    });

    private sealed record Shape(long B, long T, long H, long D, long Band)
    {
        public double Scale => 1 / Math.Sqrt(D);

        public IEnumerable<(long Start, long N, long First, long M)> Blocks()
        {
            for (long start = 0; start < T; start += BlockSize)
            {
                long n = Math.Min(BlockSize, T - start), first = Math.Max(0, start - Band + 1);
                yield return (start, n, first, start + n - first);
            }
        }

        /// <summary>(n, m): 0 where a query may look and -∞ where not.</summary>
        public Tensor Mask(long start, long n, long first, long m, ScalarType type)
        {
            using var noGradient = no_grad();
            Tensor row = TensorArithmetic.Integers(start, start + n, CPU).unsqueeze(1), column = TensorArithmetic.Integers(first, first + m, CPU).unsqueeze(0);
            return zeros(n, m, ScalarType.Float32).Fill(column.gt(row).logical_or(column.le(row.Minus(Band))), double.NegativeInfinity).to(type);
        }
    }
}
