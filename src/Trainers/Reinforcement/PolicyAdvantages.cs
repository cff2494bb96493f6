using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>From the scores of a rollout to what each token was worth: written to the rows.</summary>
internal static class PolicyAdvantages
{
    /// <summary>Sets <see cref="RolloutRow.Advantages"/>, and with PPO <see cref="RolloutRow.Returns"/>.</summary>
    /// <param name="rows">With their log-probabilities, and values where there is a value model; those of a prompt behind each other.</param>
    /// <param name="scores">The score of each.</param>
    /// <param name="klCoefficient">β.</param>
    /// <param name="options">The method.</param>
    /// <returns>The reward of each response, penalty included.</returns>
    public static double[] Set(IReadOnlyList<RolloutRow> rows, double[] scores, double klCoefficient, PolicyOptimizationOptions options)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var batch = new PolicyBatch(rows, CPU);
        Tensor own = batch.Of(static row => row.LogProbabilities), reference = batch.Of(static row => row.ReferenceLogProbabilities);   // (B, T)
        double beta = options.KlInReward ? klCoefficient : 0;

        // 1. −β·KL of each token, and the score at the token that ends the response (Ouyang et al. 2022, equation 2; Ziegler et al. 2019, equation 2).
        Tensor kl = options.Kl.Estimator == KlEstimator.K3 ? KlEstimate.K3(own, reference) : KlEstimate.K1(own, reference);
        Tensor rewards = (kl * batch.Mask).Times(-beta);                                                   // (B, T)
        float[] ends = [.. rows.SelectMany((row, i) => Enumerable.Range(0, batch.ResponseWidth).Select(t => t == row.Response.Length - 1 ? (float)scores[i] : 0))];
        rewards = rewards.Plus(tensor(ends).view(rows.Count, batch.ResponseWidth));
        var totals = new float[rows.Count];
        rewards.sum(1).CopyFloatsTo(totals);
        if (options.Algorithm != PolicyAlgorithm.Ppo)
        {
            // 2. Without a value model: a response against the others to its prompt.
            Tensor groups = tensor(totals).view(-1, options.SamplesPerPrompt);                             // (G, K)
            Tensor advantages = options.Algorithm == PolicyAlgorithm.Rloo ? Advantages.LeaveOneOut(groups) : Advantages.OfGroup(groups, options.GrpoInUse.ScaleByGroup).Advantages;
            var each = new float[rows.Count];
            advantages.CopyFloatsTo(each);
            for (int i = 0; i < each.Length; i++) rows[i].Advantages = [each[i]];
        }
        else
        {
            // 3. With one: generalised advantage estimation over the tokens, then whitened (Schulman et al. 2016, equation 16).
            PpoOptions ppo = options.PpoInUse;
            Tensor mask = batch.Mask;
            if (ppo.WhitenRewards) rewards = Masked.Whiten(rewards, mask, shiftMean: false);
            AdvantageEstimate estimate = Advantages.Generalized(rewards, batch.Of(static row => row.Values), mask, ppo.Gamma, ppo.GaeLambda);
            float[][] advantages = batch.Split(ppo.WhitenAdvantages ? Masked.Whiten(estimate.Advantages, mask) : estimate.Advantages), returns = batch.Split(estimate.Returns);
            for (int i = 0; i < rows.Count; i++) (rows[i].Advantages, rows[i].Returns) = (advantages[i], returns[i]);
        }

        return [.. totals.Select(static total => (double)total)];
    }
}
