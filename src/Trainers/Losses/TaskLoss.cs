using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The losses of the supervised tasks: pure functions of the head's outputs, differentiable in them. E: examples; K: classes or answers.</summary>
internal static class TaskLoss
{
    /// <summary>−Σ w_y log P(y): the weighted cross-entropy of classes or answers (Radford et al. 2018, equation 4), summed.</summary>
    /// <param name="logits">(E, K) float32.</param>
    /// <param name="labels">(E) int64.</param>
    /// <param name="weights">(E) float32: each example's weight; null for 1.</param>
    /// <returns>A scalar, in nats.</returns>
    public static Tensor CrossEntropy(Tensor logits, Tensor labels, Tensor? weights)
    {
        Tensor likelihood = nn.functional.log_softmax(logits, 1).gather(1, labels.unsqueeze(1)).view(-1);
        return (weights is null ? likelihood : likelihood * weights).sum().neg();
    }

    /// <summary>Σ (prediction − target)².</summary>
    /// <param name="predictions">(E, 1) float32.</param>
    /// <param name="targets">(E) float32.</param>
    /// <returns>A scalar.</returns>
    public static Tensor SquaredError(Tensor predictions, Tensor targets)
    {
        Tensor difference = predictions.view(-1) - targets;
        return (difference * difference).sum();
    }
}
