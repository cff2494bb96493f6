using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Estimates of KL(π, π_ref) from tokens that π drew (Schulman 2020, "Approximating KL divergence"): pure functions of the two log-probabilities of each token, of the
/// same shape.
/// </summary>
internal static class KlEstimate
{
    /// <summary>k1 = log π − log π_ref: unbiased; a single token's may be below 0.</summary>
    public static Tensor K1(Tensor logProbabilities, Tensor referenceLogProbabilities) => logProbabilities - referenceLogProbabilities;

    /// <summary>k3 = π_ref/π − 1 − log(π_ref/π): unbiased, never below 0, and of less variance. GRPO's penalty (Shao et al. 2024, equation 4).</summary>
    public static Tensor K3(Tensor logProbabilities, Tensor referenceLogProbabilities)
    {
        using var scope = NewDisposeScope();
        Tensor log = referenceLogProbabilities - logProbabilities;
        return (log.expm1() - log).MoveToOuterDisposeScope();
    }
}
