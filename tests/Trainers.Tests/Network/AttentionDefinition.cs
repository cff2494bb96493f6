using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt.Trainers.Tests.Network;

/// <summary>Causal self-attention by its definition on whole matrices: softmax(Q·Kᵀ/√D + mask)·V.</summary>
internal static class AttentionDefinition
{
    /// <param name="qkv">(B·T, 3C): queries, keys and values side by side.</param>
    /// <returns>(B·T, C).</returns>
    public static Tensor Of(Tensor qkv, long b, long t, long h, int? band)
    {
        long c = qkv.size(1) / 3;
        Tensor[] parts = [.. qkv.view(b, t, 3 * c).chunk(3, -1).Select(part => part.view(b, t, h, c / h).transpose(1, 2))];   // (B, H, T, D)
        Tensor distance = arange(t).unsqueeze(1) - arange(t).unsqueeze(0);
        Tensor hidden = distance.lt(0).logical_or(distance.ge(band ?? t));
        Tensor scores = (parts[0].matmul(parts[1].transpose(-2, -1)) / Math.Sqrt(c / h)).masked_fill(hidden, double.NegativeInfinity);
        return scores.softmax(-1).matmul(parts[2]).transpose(1, 2).reshape(b * t, c);
    }

    public static void AreClose(Tensor expected, Tensor found, double tolerance, string what)
    {
        using var scope = NewDisposeScope();
        double scale = expected.detach().abs().max().item<double>(), difference = (expected.detach() - found.detach().to(ScalarType.Float64)).abs().max().item<double>();
        Assert.IsLessThanOrEqualTo(tolerance * scale, difference, $"{what}: differs by {difference:E2}, the largest number is {scale:E2}");
    }
}
