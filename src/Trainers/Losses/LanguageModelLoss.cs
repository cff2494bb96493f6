using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// The cross-entropy of next-token prediction (Radford et al. 2018, equation 1) through the output head, a few tokens at a time: the logits of a batch,
/// its largest tensor by far, never exist as a whole. Pure functions of tensors.
/// </summary>
/// <remarks>Symbols: N tokens, C channels, V vocabulary, n tokens of a chunk.</remarks>
internal static class LanguageModelLoss
{
    /// <summary>The summed negative log-likelihood, without gradients.</summary>
    /// <param name="hidden">(N, C), float32 or the head's type.</param>
    /// <param name="head">(V, C), float32 or bfloat16.</param>
    /// <param name="targets">(N) int64.</param>
    /// <param name="weights">(N) float32: what each token's loss is multiplied by; null (the default) for 1.</param>
    /// <returns>A float32 scalar, in nats.</returns>
    public static Tensor Sum(Tensor hidden, Tensor head, Tensor targets, Tensor? weights = null)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor likelihoods = TokenLogProbabilities.Of(hidden, head, targets);                              // (N)
        return (weights is null ? likelihoods : likelihoods.mul_(weights)).sum().neg().MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The summed negative log-likelihood and its gradient, formed while a chunk's logits are at hand: since the weights are known beforehand, it takes three
    /// products with the head where a backward pass through <see cref="TokenLogProbabilities"/>, which computes the logits twice, takes four.
    /// </summary>
    /// <param name="hidden">(N, C), float32 or the head's type; its autograd graph is not looked at.</param>
    /// <param name="head">(V, C), float32 or bfloat16.</param>
    /// <param name="targets">(N) int64.</param>
    /// <param name="scale">What the gradients are multiplied by, e.g. 1 / (tokens of the step).</param>
    /// <param name="weights">(N) float32: what each token's loss is multiplied by besides; null (the default) for 1. A token of weight 0 contributes nothing.</param>
    /// <param name="headGradient">(V, C) float32: scale·∂sum/∂head is added to it; null where the head is frozen.</param>
    public static LanguageModelLossGradient WithGradient(Tensor hidden, Tensor head, Tensor targets, double scale, Tensor? weights = null, Tensor? headGradient = null)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor columns = head.detach(), states = hidden.detach().to(head.dtype);                           // (V, C), (N, C)
        HeadGradientSum? sumOfChunks = headGradient is null ? null : new(headGradient, head.dtype);
        Tensor sum = zeros([], ScalarType.Float32, hidden.device), hiddenGradient = zeros_like(states);
        foreach ((long start, long count) in HeadChunks.Of(hidden.size(0), head.size(0)))
        {
            using var chunk = NewDisposeScope();
            Tensor h = states.narrow(0, start, count);                                                     // (n, C)
            Tensor logits = MatrixProduct.Of(h, columns.t()).to(ScalarType.Float32);                       // (n, V)
            Tensor? weight = weights?.narrow(0, start, count);                                             // (n)
            (Tensor likelihood, Tensor gradient) = CrossEntropy.WithGradient(logits, targets.narrow(0, start, count), weight); // (n), (n, V)
            sum.sub_((weight is null ? likelihood : likelihood.mul_(weight)).sum());
            Tensor logitGradient = gradient.to(h.dtype);
            MatrixProduct.AddTo(hiddenGradient.narrow(0, start, count), logitGradient, columns, (float)scale);
            sumOfChunks?.Add(logitGradient, h, (float)scale);
        }

        sumOfChunks?.Complete();
        return new(sum.MoveToOuterDisposeScope(), hiddenGradient.to(hidden.dtype).MoveToOuterDisposeScope());
    }
}
