using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>How much better actions were than expected. B rows, T tokens, G prompts, K responses of each; pure functions without gradients.</summary>
internal static class Advantages
{
    /// <summary>
    /// Generalised advantage estimation (Schulman et al. 2016, equations 11 and 16): δ_t = r_t + γ·V_{t+1} − V_t and A_t = δ_t + γλ·A_{t+1}, both 0 behind a row's last token.
    /// </summary>
    /// <param name="rewards">(B, T) float32.</param>
    /// <param name="values">(B, T) float32: V_t, the value before token t is chosen.</param>
    /// <param name="mask">(B, T) float32: 1 up to a row's last token, 0 behind it.</param>
    /// <param name="gamma">γ, in [0, 1].</param>
    /// <param name="lambda">λ, in [0, 1].</param>
    /// <returns>The advantages A_t and the returns A_t + V_t, (B, T), 0 outside the mask.</returns>
    public static AdvantageEstimate Generalized(Tensor rewards, Tensor values, Tensor mask, double gamma, double lambda)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        long length = rewards.size(1);
        Tensor v = values * mask, r = rewards * mask;
        var advantages = new Tensor[length];
        Tensor last = zeros_like(r.select(1, 0)), next = last;                                             // (B): A_{t+1}, V_{t+1}
        for (long t = length - 1; t >= 0; t--)
        {
            Tensor current = v.select(1, t), on = mask.select(1, t);
            Tensor delta = r.select(1, t).Plus(next.Times(gamma)) - current;
            last = delta.Plus(last.Times(gamma * lambda)) * on;
            next = current;
            advantages[t] = last;
        }

        Tensor all = stack(advantages, 1);                                                                 // (B, T)
        return new(all.MoveToOuterDisposeScope(), all.Plus(v).MoveToOuterDisposeScope());
    }

    /// <summary>
    /// A response's reward against those of the same prompt: (r − mean) / (σ + 1e-4) (Shao et al. 2024, section 4.1.2), or r − mean without the scale, which favours neither easy
    /// nor hard prompts (Liu et al. 2025, Dr. GRPO). σ is the unbiased deviation of the K, and the constant TRL's.
    /// </summary>
    /// <param name="rewards">(G, K) float32, K 2 or more.</param>
    /// <param name="scale">Whether to divide.</param>
    /// <returns>The advantages (G, K) and the deviations σ (G).</returns>
    public static GroupAdvantages OfGroup(Tensor rewards, bool scale)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor centered = rewards - rewards.mean([1], keepdim: true);                                      // (G, K)
        Tensor deviation = centered.Squared().sum(1, keepdim: true).Over(rewards.size(1) - 1).sqrt();      // (G, 1)
        Tensor advantages = scale ? centered / deviation.Plus(1e-4) : centered;
        return new(advantages.MoveToOuterDisposeScope(), deviation.view(-1).MoveToOuterDisposeScope());
    }

    /// <summary>REINFORCE leave-one-out: r_i − the mean of the prompt's other rewards (Ahmadian et al. 2024, section 2.3).</summary>
    /// <param name="rewards">(G, K) float32, K 2 or more.</param>
    /// <returns>(G, K).</returns>
    public static Tensor LeaveOneOut(Tensor rewards)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Tensor others = (rewards.sum(1, keepdim: true) - rewards).Over(rewards.size(1) - 1);               // (G, K)
        return (rewards - others).MoveToOuterDisposeScope();
    }
}

/// <summary>What generalised advantage estimation gives.</summary>
/// <param name="Advantages">(B, T).</param>
/// <param name="Returns">(B, T): what the value function should have said.</param>
internal sealed record AdvantageEstimate(Tensor Advantages, Tensor Returns);

/// <summary>Advantages within groups.</summary>
/// <param name="Advantages">(G, K).</param>
/// <param name="Deviations">(G): 0 where all of a prompt's responses were rewarded alike, and nothing is to be learnt.</param>
internal sealed record GroupAdvantages(Tensor Advantages, Tensor Deviations);
