using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Kernels;

/// <summary>What the kernel tests share: numbers, and comparison with libtorch's own operations in float64.</summary>
internal static class KernelCases
{
    /// <summary>Normal numbers of a given type, the same for the same seed.</summary>
    public static Tensor Numbers(long seed, ScalarType type, params long[] shape)
    {
        manual_seed(seed);
        return zeros(shape, ScalarType.Float32).normal_().to(type);
    }

    /// <summary>The tolerance is a share of the largest expected number.</summary>
    public static void AreClose(Tensor expected, Tensor found, double tolerance, string what)
    {
        using var scope = NewDisposeScope();
        Tensor e = expected.detach().to(ScalarType.Float64).reshape(-1), f = found.detach().to(ScalarType.Float64).reshape(-1);
        Assert.AreEqual(e.size(0), f.size(0), what);
        double scale = e.abs().max().item<double>(), difference = (e - f).abs().max().item<double>();
        Assert.IsTrue(difference <= tolerance * scale, $"{what}: differs by {difference:E2}, the largest number is {scale:E2}");
    }

    /// <summary>Multi-head causal attention by whole matrices in float64, from (B·T, 3C).</summary>
    public static Tensor Attention(Tensor qkv, AttentionShape shape)
    {
        (long b, long t, long h, long d, int band) = shape;
        Tensor[] parts = qkv.view(b, t, 3 * h * d).chunk(3, -1);
        Tensor q = Heads(parts[0]), k = Heads(parts[1]), v = Heads(parts[2]);
        Tensor row = arange(0, t, ScalarType.Int64, CPU).unsqueeze(1), column = arange(t, ScalarType.Int64, CPU).unsqueeze(0);
        Tensor hidden = column.gt(row).logical_or(column.le(row - (long)band));
        Tensor scores = q.bmm(k.transpose(1, 2)).mul(1 / Math.Sqrt(d)).masked_fill(hidden, double.NegativeInfinity);
        return nn.functional.softmax(scores, -1).bmm(v).view(b, h, t, d).transpose(1, 2).reshape(b * t, h * d);

        Tensor Heads(Tensor x) => x.view(b, t, h, d).transpose(1, 2).reshape(b * h, t, d);
    }
}
