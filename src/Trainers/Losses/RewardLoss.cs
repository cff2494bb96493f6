using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>What a reward model is trained on: a pure function of its rewards.</summary>
internal static class RewardLoss
{
    /// <summary>
    /// Σ over pairs of w · [ −log σ(r⁺ − r⁻ − m·gap) + c·(r⁺ + r⁻)² ]. With m = c = 0 it is −1/C(K, 2) · E[log σ(r⁺ − r⁻)] (Ouyang et al. 2022, equation 1), C(K, 2) less the
    /// ties. The margin is that of Touvron et al. 2023 (Llama 2, equation 2), in proportion to the gap of the grades; the second term keeps rewards near 0
    /// (Eisenstein et al. 2023, section 4).
    /// </summary>
    /// <param name="rewards">(N) float32: the responses' rewards r.</param>
    /// <param name="pairs">P pairs of them with their weights w and gaps.</param>
    /// <param name="margin">m, 0 or more.</param>
    /// <param name="centering">c, 0 or more.</param>
    /// <returns>The loss, with its gradient; the differences without.</returns>
    public static RewardLossResult Of(Tensor rewards, ResponsePairs pairs, double margin = 0, double centering = 0)
    {
        using var scope = NewDisposeScope();
        if (pairs.Count == 0) return new(rewards.sum().Times(0).MoveToOuterDisposeScope(), zeros([0], ScalarType.Float32, rewards.device).MoveToOuterDisposeScope());
        Device device = rewards.device;
        Tensor better = rewards.index_select(0, tensor(pairs.Preferred, device: device)), worse = rewards.index_select(0, tensor(pairs.Other, device: device));   // (P)
        Tensor difference = better - worse;                                                                // (P)
        Tensor shifted = margin == 0 ? difference : difference - tensor(pairs.GradeGaps, device: device).Times(margin);
        Tensor each = nn.functional.logsigmoid(shifted).neg();                                             // (P)
        if (centering != 0) each = each.Plus(better.Plus(worse).Squared().Times(centering));
        return new((each * tensor(pairs.Weights, device: device)).sum().MoveToOuterDisposeScope(), difference.detach().MoveToOuterDisposeScope());
    }
}

/// <summary>A reward model's loss.</summary>
/// <param name="Loss">A scalar.</param>
/// <param name="Differences">(P) r⁺ − r⁻ of each pair: above 0 where the model agrees.</param>
internal sealed record RewardLossResult(Tensor Loss, Tensor Differences);
