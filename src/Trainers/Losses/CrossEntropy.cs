using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>log p(target) of rows of logits and its gradient, by <see cref="CrossEntropyKernel"/> where that takes them. Pure functions of tensors, without autograd.</summary>
/// <remarks>Symbols: n rows, V vocabulary.</remarks>
internal static class CrossEntropy
{
    /// <summary>log p(target) = z_target − log Σ exp z of each row.</summary>
    /// <param name="logits">(n, V) float32.</param>
    /// <param name="targets">(n) int64, each in [0, V).</param>
    /// <returns>(n) float32, in nats.</returns>
    public static Tensor LogProbabilities(Tensor logits, Tensor targets)
    {
        if (CrossEntropyKernel.Takes(logits)) return CrossEntropyKernel.LogProbabilities(logits, targets);
        using var scope = NewDisposeScope();
        return logits.gather(1, targets.unsqueeze(1)).view(-1).sub_(logits.logsumexp(1)).MoveToOuterDisposeScope();
    }

    /// <summary>The same, and weight·(softmax(z) − onehot(target)), the gradient of −weight·log p(target).</summary>
    /// <param name="logits">(n, V) float32; not of use afterwards, since the gradient may take its place.</param>
    /// <param name="targets">(n) int64, each in [0, V).</param>
    /// <param name="weights">(n) float32; null for 1.</param>
    /// <returns>(n) float32, in nats, not weighted; and (n, V) float32.</returns>
    public static (Tensor LogProbabilities, Tensor Gradient) WithGradient(Tensor logits, Tensor targets, Tensor? weights)
    {
        if (CrossEntropyKernel.Takes(logits)) return (CrossEntropyKernel.Gradient(logits, targets, weights), logits);
        using var scope = NewDisposeScope();
        Tensor target = targets.unsqueeze(1), p = nn.functional.log_softmax(logits, 1);                    // (n, 1), (n, V): log p
        Tensor likelihoods = p.gather(1, target).view(-1);                                                 // (n)
        p.exp_().scatter_add_(1, target, TensorArithmetic.Filled([logits.size(0), 1], -1, ScalarType.Float32, logits.device));
        if (weights is not null) p.mul_(weights.unsqueeze(1));
        return (likelihoods.MoveToOuterDisposeScope(), p.MoveToOuterDisposeScope());
    }
}
