using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>Statistics over the tokens that count: those where a mask is 1. B rows, T tokens; pure functions.</summary>
internal static class Masked
{
    /// <summary>Σ m·x / Σ m; 0 where no token counts.</summary>
    /// <param name="x">(B, T) float32.</param>
    /// <param name="mask">(B, T) float32, 0 or 1.</param>
    /// <returns>A scalar.</returns>
    public static Tensor Mean(Tensor x, Tensor mask)
    {
        using var scope = NewDisposeScope();
        return ((x * mask).sum() / mask.sum().AtLeast(1)).MoveToOuterDisposeScope();
    }

    /// <summary>Σ m·(x − mean)² / (Σ m − 1), the unbiased variance; 0 for one token.</summary>
    /// <param name="x">(B, T) float32.</param>
    /// <param name="mask">(B, T) float32, 0 or 1.</param>
    /// <returns>A scalar.</returns>
    public static Tensor Variance(Tensor x, Tensor mask)
    {
        using var scope = NewDisposeScope();
        return (((x - Mean(x, mask)).Squared() * mask).sum() / mask.sum().Minus(1).AtLeast(1)).MoveToOuterDisposeScope();
    }

    /// <summary>m·(x − mean) / √(variance + 1e-8), as PPO normalises advantages (Huang et al. 2022, detail 7); TRL's constant.</summary>
    /// <param name="x">(B, T) float32.</param>
    /// <param name="mask">(B, T) float32, 0 or 1.</param>
    /// <param name="shiftMean">False gives the mean back, and changes the scale alone (rewards).</param>
    /// <returns>(B, T), 0 outside the mask.</returns>
    public static Tensor Whiten(Tensor x, Tensor mask, bool shiftMean = true)
    {
        using var scope = NewDisposeScope();
        Tensor mean = Mean(x, mask), white = (x - mean) * Variance(x, mask).Plus(1e-8).rsqrt();
        return ((shiftMean ? white : white.Plus(mean)) * mask).MoveToOuterDisposeScope();
    }
}
