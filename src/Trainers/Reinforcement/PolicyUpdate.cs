using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The loss of some responses of an update, forward and backward. B: responses; T: tokens of the longest; the update has more responses than these where it is computed in parts.</summary>
internal static class PolicyUpdate
{
    /// <summary>Accumulates the gradient of the responses' part of the update's loss into the policy's, and the value model's.</summary>
    /// <param name="model">Policy and value model.</param>
    /// <param name="rows">The responses of this part.</param>
    /// <param name="update">All responses of the update.</param>
    /// <param name="klCoefficient">β.</param>
    /// <param name="valueOnly">Whether the policy learns nothing (<see cref="PpoOptions.ValueWarmupRollouts"/>).</param>
    /// <param name="options">The method.</param>
    /// <returns>Without gradients: the part's loss, a scalar, and its sums for <see cref="Metrics"/>, (M).</returns>
    public static (Tensor Loss, Tensor Sums) Backward(PolicyTrainedModel model, IReadOnlyList<RolloutRow> rows, IReadOnlyList<RolloutRow> update, double klCoefficient, bool valueOnly, PolicyOptimizationOptions options)
    {
        using var scope = NewDisposeScope();
        GptNetwork network = model.Network;
        var batch = new PolicyBatch(rows, network.TorchDevice);
        Tensor mask = batch.Counting;                                                                      // (B, T)
        long tokens = Math.Max(1, update.Where(static row => row.Counts).Sum(static row => (long)row.Response.Length));
        Tensor perToken = TokenWeights.Dapo(mask, tokens);                                                 // (B, T): the mean over the update's tokens
        Tensor loss = zeros([], ScalarType.Float32, network.TorchDevice);

        // 1. The policy: log π of the tokens as it is now, against the rollout's.
        Tensor states = batch.States(network);                                                             // (N, C)
        Tensor own = batch.LogProbabilities(network, states, options.Rollout.Temperature), old = batch.Of(static row => row.LogProbabilities);   // (B, T)
        PolicyLossResult policy = PolicyLoss.Clipped(own, old, batch.Of(static row => row.Advantages), Weights(mask, update.Count, tokens, options), options.ClipRange, options.ClipRangeHigh ?? options.ClipRange, options.DualClip);
        Tensor reference = batch.Of(static row => row.ReferenceLogProbabilities);
        Tensor k3 = KlEstimate.K3(own, reference);
        Tensor entropy = batch.Entropy(network, states, options.Rollout.Temperature, differentiable: !valueOnly && options.EntropyCoefficient > 0);
        if (!valueOnly)
        {
            loss = loss.Plus(policy.Loss);
            if (!options.KlInReward && klCoefficient > 0) loss = loss.Plus((k3 * Weights(mask, update.Count, tokens, options)).sum().Times(klCoefficient));
            if (options.EntropyCoefficient > 0) loss = loss - (entropy * perToken).sum().Times(options.EntropyCoefficient);
        }

        // 2. The value model: V of the tokens as it is now, against the returns.
        ValueLossResult? value = null;
        if (model.Value is { } critic)
        {
            value = ValueLoss.Clipped(batch.Values(critic), batch.Of(static row => row.Values), batch.Of(static row => row.Returns), perToken, options.PpoInUse.ValueClipRange);
            loss = loss.Plus(value.Loss.Times(options.PpoInUse.ValueCoefficient));
        }

        // 3. Backward, through both networks.
        if (loss.requires_grad) BackwardPass.Run(loss, ones_like(loss));
        using (no_grad())
        {
            Tensor Mean(Tensor each) => (each.detach() * perToken).sum();
            List<Tensor> sums = options.Algorithm == PolicyAlgorithm.Grpo
                ? [Mean(policy.ClippedLow), Mean(policy.ClippedHigh), Mean(k3), Mean(entropy)]
                : [Mean(PolicyLoss.ApproximateKl(own, old)), Mean(policy.ClippedLow.Plus(policy.ClippedHigh)), Mean(entropy), Mean(policy.Ratio), Mean(policy.Ratio.Minus(1).Squared()), policy.Loss.detach()];
            if (value is not null) sums.AddRange([value.Loss.detach(), Mean(value.Clipped)]);
            return (loss.detach().MoveToOuterDisposeScope(), stack(sums).MoveToOuterDisposeScope());
        }
    }

    /// <summary>The metrics of an update, in the order of <see cref="PolicyMetrics.UpdateNames"/>.</summary>
    /// <param name="sums">(M): what <see cref="Backward"/> gave, added up over the parts.</param>
    /// <param name="algorithm">The method.</param>
    public static IEnumerable<Tensor> Metrics(Tensor sums, PolicyAlgorithm algorithm)
    {
        for (long i = 0; i < sums.size(0); i++)
        {
            Tensor sum = sums.select(0, i);

            // The ratio's variance, by its distances from 1: the squares of numbers next to 1 differ by less than float32 tells apart.
            yield return algorithm != PolicyAlgorithm.Grpo && i == 4 ? (sum - sums.select(0, 3).Minus(1).Squared()).AtLeastInPlace(0) : sum;
        }
    }

    /// <summary>How much each token counts: PPO's mean over all tokens, RLOO's sum over a response's, GRPO's by option.</summary>
    private static Tensor Weights(Tensor mask, int responses, long tokens, PolicyOptimizationOptions options) => (options.Algorithm, options.GrpoInUse.Loss) switch
    {
        (PolicyAlgorithm.Ppo, _) or (_, GroupLoss.Dapo) => TokenWeights.Dapo(mask, tokens),
        (PolicyAlgorithm.Rloo, _) => TokenWeights.DrGrpo(mask, responses, 1),
        (_, GroupLoss.DrGrpo) => TokenWeights.DrGrpo(mask, responses, options.Rollout.MaxNewTokens),
        _ => TokenWeights.Grpo(mask, responses),
    };
}
