using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// The cross-entropy of next-token prediction (Radford et al. 2018, equation 1) through the tied head, a few rows at a time: the
/// logits of a batch, its largest tensor by far, never exist as a whole, and the gradient is formed while they are at hand.
/// </summary>
internal static class LanguageModelLoss
{
    /// <summary>Logits held at once: 64 MB of float32.</summary>
    private const long ChunkElements = 16 << 20;

    /// <summary>The summed negative log-likelihood, without gradients.</summary>
    /// <param name="network">Gives the head.</param>
    /// <param name="hidden">(N, C).</param>
    /// <param name="targets">(N) int64.</param>
    /// <param name="weights">(N) float32: the weight of each token's loss; null (the default) for 1.</param>
    /// <returns>A float32 scalar tensor, in nats.</returns>
    public static Tensor Sum(GptNetwork network, Tensor hidden, Tensor targets, Tensor? weights = null)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor sum = zeros([], ScalarType.Float32, hidden.device);
        foreach ((long start, long count) in Chunks(hidden.size(0), network.Config.VocabularySize))
        {
            using var chunk = NewDisposeScope();
            Tensor logits = network.Logits(hidden.narrow(0, start, count)).to(ScalarType.Float32);         // (n, V)
            Tensor target = targets.narrow(0, start, count).unsqueeze(1);                                  // (n, 1)
            if (weights is null) sum.add_(logits.logsumexp(1).sum()).sub_(logits.gather(1, target).sum());
            else sum.add_(logits.logsumexp(1).sub_(logits.gather(1, target).view(-1)).mul_(weights.narrow(0, start, count)).sum());
        }

        return sum.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The summed negative log-likelihood; accumulates scale·∂sum/∂parameters into the network's gradient: through the head here, and
    /// through the rest of the network by a backward pass from <paramref name="hidden"/>. A frozen head has no gradient and gets none.
    /// </summary>
    /// <param name="network">The network that made <paramref name="hidden"/>.</param>
    /// <param name="hidden">(N, C), with its autograd graph.</param>
    /// <param name="targets">(N) int64.</param>
    /// <param name="scale">The weight of a token's loss, e.g. 1 / (tokens of the step).</param>
    /// <param name="weights">(N) float32: what each token's loss is multiplied by besides; null (the default) for 1. A token of weight 0 contributes nothing.</param>
    /// <returns>The weighted but unscaled sum, a float32 scalar tensor, in nats.</returns>
    public static Tensor Backward(GptNetwork network, Tensor hidden, Tensor targets, double scale, Tensor? weights = null)
    {
        using var scope = NewDisposeScope();
        Tensor sum, hiddenGradient;
        using (no_grad())
        {
            Tensor head = network.TokenEmbedding.detach();                                                 // (V, C)
            Tensor? gradient = network.Parameters.GradientOf(GptParameterLayout.TokenEmbedding);           // (V, C) float32, a view of the flat gradient
            Tensor? headGradient = gradient is null || network.WorkingType == ScalarType.Float32 ? gradient : zeros_like(head);
            sum = zeros([], ScalarType.Float32, hidden.device);
            Tensor states = hidden.detach().to(network.WorkingType);
            hiddenGradient = empty_like(states);
            foreach ((long start, long count) in Chunks(hidden.size(0), network.Config.VocabularySize))
            {
                using var chunk = NewDisposeScope();
                Tensor h = states.narrow(0, start, count);                                                 // (n, C)
                Tensor target = targets.narrow(0, start, count).unsqueeze(1);                              // (n, 1)
                Tensor p = LogSoftmax(h.mm(head.t()));                                                     // (n, V): log p
                Tensor? weight = weights?.narrow(0, start, count).unsqueeze(1);                            // (n, 1)
                Tensor logLikelihood = p.gather(1, target);                                                // (n, 1)
                sum.sub_((weight is null ? logLikelihood : logLikelihood.mul_(weight)).sum());
                p.exp_().scatter_add_(1, target, full(count, 1, -1f, ScalarType.Float32, hidden.device));  // p - onehot = ∂nll/∂logits
                if (weight is not null) p.mul_(weight);
                Tensor logitGradient = p.to(h.dtype);
                hiddenGradient.narrow(0, start, count).addmm_(logitGradient, head, 0f, (float)scale);
                headGradient?.addmm_(logitGradient.t(), h, 1f, (float)scale);
            }

            if (headGradient is not null && !ReferenceEquals(headGradient, gradient)) gradient!.add_(headGradient.to(ScalarType.Float32));
        }

        BackwardPass.Run(hidden, hiddenGradient.to(hidden.dtype));
        return sum.MoveToOuterDisposeScope();

        static Tensor LogSoftmax(Tensor logits) => nn.functional.log_softmax(logits.to(ScalarType.Float32), 1);
    }

    private static IEnumerable<(long Start, long Count)> Chunks(long rows, long vocabulary)
    {
        long size = Math.Max(1, ChunkElements / vocabulary);
        for (long start = 0; start < rows; start += size) yield return (start, Math.Min(size, rows - start));
    }
}
