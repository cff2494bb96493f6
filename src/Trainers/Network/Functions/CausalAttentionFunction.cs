using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Multi-head causal self-attention (Vaswani et al. 2017, equation 1) on a CPU. Blocks of queries meet only the keys that they may see,
/// and the softmax works in place.
/// </summary>
/// <remarks>B batch, T time, H heads, D head size, C = H·D, n queries of a block, E keys that it sees, G = heads computed at once.</remarks>
internal sealed class CausalAttentionFunction : autograd.SingleTensorFunction<CausalAttentionFunction>
{
    public override string Name => nameof(CausalAttentionFunction);

    /// <summary>The weighted sums of the values.</summary>
    /// <param name="qkv">(B·T, 3C): queries, keys and values side by side, of the working type.</param>
    /// <param name="shape">The sizes.</param>
    /// <returns>(B·T, C).</returns>
    public static Tensor Of(Tensor qkv, AttentionShape shape) => apply(qkv, shape);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var shape = (AttentionShape)vars[1];
        (long b, long t, long h, long d, int band) = shape;
        using var scope = NewDisposeScope();
        Tensor heads = ((Tensor)vars[0]).view(b, t, 3, h, d).permute(2, 0, 3, 1, 4).contiguous().view(3, b * h, t, d); // (3, B·H, T, D)
        Tensor y = empty_like(heads.select(0, 0)).view(b, t, h, d);                                                  // (B, T, H, D)
        var saved = new List<Tensor> { heads };
        foreach ((long row, long rows) in Parts(b, shape.RowsAtOnce))
        {
            using var partScope = NewDisposeScope();
            Tensor q = HeadsOf(heads, 0, row * h, rows * h), k = HeadsOf(heads, 1, row * h, rows * h), v = HeadsOf(heads, 2, row * h, rows * h); // (G, T, D)
            foreach ((long start, long n) in Parts(t, shape.BlockLength))
            {
                Tensor p = q.narrow(1, start, n).bmm(k.narrow(1, 0, start + n).transpose(1, 2));                      // (G, n, E)
                CausalSoftmaxKernel.Forward(p, shape.Scale, band);
                Tensor sums = p.bmm(v.narrow(1, 0, start + n)).view(rows, h, n, d);                                   // (rows, H, n, D)
                y.narrow(0, row, rows).narrow(1, start, n).copy_(sums.transpose(1, 2));
                saved.Add(p.MoveToOuterDisposeScope());
            }
        }

        ctx.save_for_backward([.. saved]);
        ctx.save_data(nameof(AttentionShape), shape);
        return y.view(b * t, h * d).MoveToOuterDisposeScope();
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => BackwardPass.Step(grad_output, 2, () =>
    {
        var shape = (AttentionShape)ctx.get_data(nameof(AttentionShape));
        (long b, long t, long h, long d, _) = shape;
        List<Tensor> saved = ctx.get_saved_variables();
        Tensor heads = saved[0];
        Tensor dy = grad_output.view(b, t, h, d).transpose(1, 2).contiguous().view(b * h, t, d);                      // (B·H, T, D)
        Tensor result = empty_like(heads);                                                                           // (3, B·H, T, D)
        (long Start, long Count)[] blocks = [.. Parts(t, shape.BlockLength)];
        int part = 0;
        foreach ((long row, long rows) in Parts(b, shape.RowsAtOnce))
        {
            using var partScope = NewDisposeScope();
            long first = row * h, g = rows * h;
            Tensor q = HeadsOf(heads, 0, first, g), k = HeadsOf(heads, 1, first, g), v = HeadsOf(heads, 2, first, g), dyPart = dy.narrow(0, first, g);
            Tensor dq = HeadsOf(result, 0, first, g);
            Tensor? dk = null, dv = null;

            // The last block sees all keys: its share begins the sums.
            for (int i = blocks.Length - 1; i >= 0; i--)
            {
                using var blockScope = NewDisposeScope();
                (long start, long n) = blocks[i];
                Tensor p = saved[1 + (part * blocks.Length) + i];                                                    // (G, n, E)
                Tensor dyBlock = dyPart.narrow(1, start, n);                                                         // (G, n, D)
                Tensor ds = dyBlock.bmm(v.narrow(1, 0, start + n).transpose(1, 2));                                  // (G, n, E): ∂/∂p
                CausalSoftmaxKernel.Backward(p, ds, shape.Scale);                                                    // ∂/∂(q·kᵀ)
                dq.narrow(1, start, n).copy_(ds.bmm(k.narrow(1, 0, start + n)));
                dk = Sum(dk, ds.transpose(1, 2).bmm(q.narrow(1, start, n)));                                         // (G, E, D)
                dv = Sum(dv, p.transpose(1, 2).bmm(dyBlock));
            }

            HeadsOf(result, 1, first, g).copy_(dk!);
            HeadsOf(result, 2, first, g).copy_(dv!);
            part++;

            // Shares of many blocks are summed in float32.
            Tensor Sum(Tensor? sum, Tensor share)
            {
                if (blocks.Length > 1) share = share.to(ScalarType.Float32);
                if (sum is null) return share.MoveToOuterDisposeScope();
                sum.narrow(1, 0, share.size(1)).add_(share);
                return sum;
            }
        }

        return [result.view(3, b, h, t, d).permute(1, 3, 0, 2, 4).contiguous().view(b * t, 3 * h * d)];
    });

    private static Tensor HeadsOf(Tensor heads, long which, long first, long count) => heads.select(0, which).narrow(0, first, count);

    private static IEnumerable<(long Start, long Count)> Parts(long total, long size)
    {
        for (long start = 0; start < total; start += size) yield return (start, Math.Min(size, total - start));
    }
}
