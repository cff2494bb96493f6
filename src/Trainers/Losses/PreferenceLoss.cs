using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Losses that learn a policy from pairs of responses without a reward model: pure functions. P pairs; y⁺ is the preferred response of a prompt x, y⁻ the other. In all of
/// them h = (log π(y⁺|x) − log π_ref(y⁺|x)) − (log π(y⁻|x) − log π_ref(y⁻|x)).
/// </summary>
internal static class PreferenceLoss
{
    /// <summary>Direct preference optimisation: −(1 − ε)·log σ(βh) − ε·log σ(−βh) (Rafailov et al. 2023, equation 7; ε, the share of labels taken to be wrong: Mitchell 2023, cDPO).</summary>
    /// <param name="h">(P).</param>
    /// <param name="beta">β, above 0: how much the reference holds.</param>
    /// <param name="labelSmoothing">ε, in [0, 0.5).</param>
    /// <returns>(P).</returns>
    public static Tensor Sigmoid(Tensor h, double beta, double labelSmoothing = 0)
    {
        using var scope = NewDisposeScope();
        Tensor agree = nn.functional.logsigmoid(h.Times(beta));
        Tensor loss = labelSmoothing == 0 ? agree.neg() : agree.Times(-(1 - labelSmoothing)) - nn.functional.logsigmoid(h.Times(-beta)).Times(labelSmoothing);
        return loss.MoveToOuterDisposeScope();
    }

    /// <summary>Identity preference optimisation: (h − 1/(2β))² (Azar et al. 2023, equation 17, whose τ is β), which stays bounded where all labels agree.</summary>
    public static Tensor Identity(Tensor h, double beta)
    {
        using var scope = NewDisposeScope();
        return h.Minus(1 / (2 * beta)).Squared().MoveToOuterDisposeScope();
    }

    /// <summary>max(0, 1 − βh) (Zhao et al. 2023, SLiC; Liu et al. 2023, RSO, equation 9).</summary>
    public static Tensor Hinge(Tensor h, double beta)
    {
        using var scope = NewDisposeScope();
        return h.Times(beta).neg().Plus(1).relu().MoveToOuterDisposeScope();
    }

    /// <summary>The sum of each response's token log-probabilities, or with <paramref name="lengthNormalized"/> their mean, so that long responses weigh no more than short ones (Meng et al. 2024, SimPO, equation 3).</summary>
    /// <param name="tokenLogProbabilities">(B, T) float32.</param>
    /// <param name="mask">(B, T) float32: 1 for a response's tokens.</param>
    /// <param name="lengthNormalized">Whether to divide by the response's tokens.</param>
    /// <returns>(B).</returns>
    public static Tensor LogLikelihood(Tensor tokenLogProbabilities, Tensor mask, bool lengthNormalized)
    {
        using var scope = NewDisposeScope();
        Tensor sum = (tokenLogProbabilities * mask).sum(1);                                                // (B)
        return (lengthNormalized ? sum / mask.sum(1).AtLeast(1) : sum).MoveToOuterDisposeScope();
    }
}
