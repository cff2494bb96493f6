using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The entropy of next-token distributions: a pure function.</summary>
internal static class TokenEntropy
{
    /// <summary>−Σ p·log p = logsumexp(z) − Σ p·z of logits z.</summary>
    /// <param name="logits">(N, V) float32.</param>
    /// <returns>(N), in nats, with gradients where the logits have them.</returns>
    public static Tensor Of(Tensor logits)
    {
        using var scope = NewDisposeScope();
        Tensor p = logits.softmax(1);                                                                      // (N, V)
        return (logits.logsumexp(1) - (p * logits).sum(1)).MoveToOuterDisposeScope();
    }
}
