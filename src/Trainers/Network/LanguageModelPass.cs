using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>A network's language-model loss through its tied head, and the backward pass that begins there.</summary>
internal static class LanguageModelPass
{
    /// <summary>The summed negative log-likelihood, without gradients.</summary>
    /// <param name="network">Gives the head.</param>
    /// <param name="hidden">(N, C).</param>
    /// <param name="targets">(N) int64.</param>
    /// <param name="weights">As for <see cref="LanguageModelLoss.Sum"/>.</param>
    /// <returns>A float32 scalar, in nats.</returns>
    public static Tensor Sum(GptNetwork network, Tensor hidden, Tensor targets, Tensor? weights = null) =>
        LanguageModelLoss.Sum(hidden, network.TokenEmbedding, targets, weights);

    /// <summary>Accumulates scale·∂sum/∂parameters into the network's gradient. A frozen head gets none.</summary>
    /// <param name="network">The network that made <paramref name="hidden"/>.</param>
    /// <param name="hidden">(N, C), with its autograd graph.</param>
    /// <param name="targets">(N) int64.</param>
    /// <param name="scale">The weight of a token's loss, e.g. 1 / (tokens of the step).</param>
    /// <param name="weights">As for <see cref="LanguageModelLoss.WithGradient"/>.</param>
    /// <returns>The weighted but unscaled sum, a float32 scalar, in nats.</returns>
    public static Tensor Backward(GptNetwork network, Tensor hidden, Tensor targets, double scale, Tensor? weights = null)
    {
        using var scope = NewDisposeScope();
        LanguageModelLossGradient loss = LanguageModelLoss.WithGradient(hidden, network.TokenEmbedding, targets, scale, weights, network.Parameters.GradientOf(GptParameterLayout.TokenEmbedding));
        BackwardPass.Run(hidden, loss.Hidden);
        return loss.Sum.MoveToOuterDisposeScope();
    }
}
