using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The losses of the supervised tasks: pure functions of the head's outputs.</summary>
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

    /// <summary>
    /// Forward and backward of one micro-batch: the task's loss plus λ times the language model's (Radford et al. 2018, equation 5). The two meet at the last hidden states, so that
    /// the network is traversed backward once.
    /// </summary>
    /// <param name="network">Collects the gradients.</param>
    /// <param name="batch">The examples.</param>
    /// <param name="classWeights">The weight of each class, or null.</param>
    /// <param name="taskScale">The weight of the summed task loss: one over the summed weights of the whole update.</param>
    /// <param name="auxiliaryScale">The weight of a row's mean language-model loss: λ over the rows of the whole update. 0 leaves it out.</param>
    /// <param name="classifierDropout">Dropout before the head.</param>
    /// <returns>The summed task loss, and the rows' summed mean language-model losses (0 where left out): scalars without gradients, unscaled.</returns>
    public static (Tensor Task, Tensor Auxiliary) Backward(TaskNetwork network, TaskBatch batch, Tensor? classWeights, double taskScale, double auxiliaryScale, double classifierDropout)
    {
        using var scope = NewDisposeScope();
        Tensor hidden = network.Hidden(batch);                                                             // (R·T, C)
        Tensor leaf = hidden.detach().requires_grad_();
        Tensor outputs = network.Outputs(network.States(leaf, batch), classifierDropout);                  // (R/S, K)
        Tensor task = Of(network.Head, outputs, batch, classWeights);
        (task * taskScale).backward();
        Tensor auxiliary = zeros([], ScalarType.Float32, network.Network.TorchDevice);
        if (auxiliaryScale != 0 && batch.LanguageModelTargets > 0)
            auxiliary = LanguageModelPass.Backward(network.Network, leaf.index_select(0, batch.LanguageModelPlaces), batch.LanguageModelTokens, auxiliaryScale, batch.LanguageModelWeights);
        BackwardPass.Run(hidden, leaf.grad!);
        return (task.detach().MoveToOuterDisposeScope(), auxiliary.MoveToOuterDisposeScope());
    }

    /// <summary>The task's summed loss of a batch.</summary>
    public static Tensor Of(ClassifierHead head, Tensor outputs, TaskBatch batch, Tensor? classWeights)
    {
        if (head.IsRegression) return SquaredError(outputs, batch.Targets);
        Tensor logits = head.Task == SupervisedTask.MultipleChoice ? outputs.view(batch.Examples.Count, -1) : outputs;   // (E, K)
        Tensor labels = batch.Labels;
        return CrossEntropy(logits, labels, classWeights?.index_select(0, labels));
    }
}
