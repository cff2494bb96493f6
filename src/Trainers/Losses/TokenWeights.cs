using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// How much each token of a batch of responses counts in a loss. B responses in an update of which this batch may be a part; m is the mask, (B, T) float32, 1 for a
/// response's tokens. Pure functions.
/// </summary>
internal static class TokenWeights
{
    /// <summary>m / (B·length): each response counts alike, and a token of a long one less (Shao et al. 2024, equation 3).</summary>
    /// <param name="mask">(B, T).</param>
    /// <param name="responses">B of the whole update.</param>
    public static Tensor Grpo(Tensor mask, long responses)
    {
        using var scope = NewDisposeScope();
        return (mask / mask.sum(1, keepdim: true).AtLeast(1).Times(responses)).MoveToOuterDisposeScope();
    }

    /// <summary>m / (B·L): a token counts the same in every response, and the sum has a constant denominator (Liu et al. 2025, Dr. GRPO).</summary>
    /// <param name="mask">(B, T).</param>
    /// <param name="responses">B of the whole update.</param>
    /// <param name="maxLength">L: the most tokens of a response.</param>
    public static Tensor DrGrpo(Tensor mask, long responses, long maxLength) => mask.Over(checked(responses * maxLength));

    /// <summary>m / Σ m: the mean over all tokens of the update (Yu et al. 2025, DAPO, equation 12). It is PPO's too.</summary>
    /// <param name="mask">(B, T).</param>
    /// <param name="tokens">Σ m of the whole update.</param>
    public static Tensor Dapo(Tensor mask, long tokens) => mask.Over(Math.Max(1, tokens));
}
