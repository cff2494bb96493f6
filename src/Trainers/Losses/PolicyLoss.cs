using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The policy's clipped loss: a pure function. B rows, T tokens.</summary>
internal static class PolicyLoss
{
    /// <summary>
    /// Σ w·ℓ with ℓ = −min(ρA, clip(ρ, 1 − ε_low, 1 + ε_high)·A), ρ = π(token) / π_old(token) (Schulman et al. 2017, equation 7; two ε: Yu et al. 2025, DAPO, equation 10). With dual
    /// clipping, ℓ is at most −cA where A &lt; 0 (Ye et al. 2020, equation 5): a token that the policy has moved towards against its advantage pulls no harder than c times.
    /// </summary>
    /// <param name="logProbabilities">(B, T) float32: log π of each token, with gradients.</param>
    /// <param name="oldLogProbabilities">(B, T) float32: log π_old, those of the rollout.</param>
    /// <param name="advantages">(B, T), or (B, 1) where a response's tokens share one.</param>
    /// <param name="weights">(B, T) float32: w, as <see cref="TokenWeights"/> gives it; 0 outside the responses.</param>
    /// <param name="clipLow">ε_low, in (0, 1).</param>
    /// <param name="clipHigh">ε_high, above 0.</param>
    /// <param name="dualClip">c, above 1; null for none.</param>
    public static PolicyLossResult Clipped(Tensor logProbabilities, Tensor oldLogProbabilities, Tensor advantages, Tensor weights, double clipLow, double clipHigh, double? dualClip = null)
    {
        using var scope = NewDisposeScope();
        Tensor ratio = (logProbabilities - oldLogProbabilities).exp();                                     // (B, T)
        Tensor clipped = ratio.Between(1 - clipLow, 1 + clipHigh);
        Tensor gain = minimum(ratio * advantages, clipped * advantages);
        if (dualClip is { } bound) gain = where(advantages.Below(0), maximum(gain, advantages.Times(bound)), gain);
        Tensor loss = (gain * weights).sum().neg();
        using (no_grad())
        {
            Tensor low = ratio.Below(1 - clipLow).logical_and(advantages.Below(0)).to(ScalarType.Float32), high = ratio.Above(1 + clipHigh).logical_and(advantages.Above(0)).to(ScalarType.Float32);
            return new(loss.MoveToOuterDisposeScope(), ratio.detach().MoveToOuterDisposeScope(), low.MoveToOuterDisposeScope(), high.MoveToOuterDisposeScope());
        }
    }

    /// <summary>½·(log π − log π_old)², whose mean over tokens of the rollout estimates KL(π_old, π) (Schulman 2020, k2); TRL's <c>policy/approxkl_avg</c>.</summary>
    public static Tensor ApproximateKl(Tensor logProbabilities, Tensor oldLogProbabilities)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return (logProbabilities - oldLogProbabilities).Squared().Times(0.5).MoveToOuterDisposeScope();
    }
}

/// <summary>A clipped policy loss.</summary>
/// <param name="Loss">A scalar, with its gradient.</param>
/// <param name="Ratio">(B, T) ρ, without gradients.</param>
/// <param name="ClippedLow">(B, T) 1 where ρ &lt; 1 − ε_low and A &lt; 0, else 0: the token has no gradient.</param>
/// <param name="ClippedHigh">(B, T) 1 where ρ &gt; 1 + ε_high and A &gt; 0, else 0: the token has no gradient.</param>
internal sealed record PolicyLossResult(Tensor Loss, Tensor Ratio, Tensor ClippedLow, Tensor ClippedHigh);
