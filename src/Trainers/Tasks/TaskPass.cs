using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Forward and backward of one micro-batch of a supervised task.</summary>
internal static class TaskPass
{
    /// <summary>
    /// The task's loss plus λ times the language model's (Radford et al. 2018, equation 5). The two meet at the last hidden states, so that
    /// the network is traversed backward once, or not at all where nothing before them is trained.
    /// </summary>
    /// <param name="network">Collects the gradients.</param>
    /// <param name="batch">The examples.</param>
    /// <param name="classWeights">The weight of each class, or null.</param>
    /// <param name="taskScale">The weight of the summed task loss: one over the summed weights of the whole update.</param>
    /// <param name="auxiliaryScale">The weight of a row's mean language-model loss: λ over the rows of the whole update. 0 leaves it out.</param>
    /// <param name="classifierDropout">Dropout before the head.</param>
    public static TaskLosses Backward(TaskNetwork network, TaskBatch batch, Tensor? classWeights, double taskScale, double auxiliaryScale, double classifierDropout)
    {
        using var scope = NewDisposeScope();
        Tensor hidden = network.Hidden(batch);                                                             // (R·T, C)
        Tensor leaf = hidden.requires_grad ? hidden.detach().requires_grad_() : hidden;
        Tensor outputs = network.Outputs(network.States(leaf, batch), classifierDropout);                  // (R/S, K)
        Tensor task = network.Objective.Loss(outputs, batch, classWeights);
        task.Times(taskScale).backward();
        Tensor auxiliary = zeros([], ScalarType.Float32, network.Network.TorchDevice);
        if (auxiliaryScale != 0 && batch.LanguageModelTargets > 0)
            auxiliary = LanguageModelPass.Backward(network.Network, leaf.index_select(0, batch.LanguageModelPlaces), batch.LanguageModelTokens, auxiliaryScale, batch.LanguageModelWeights);
        if (hidden.requires_grad) BackwardPass.Run(hidden, leaf.grad!);
        return new(task.detach().MoveToOuterDisposeScope(), auxiliary.MoveToOuterDisposeScope());
    }
}
