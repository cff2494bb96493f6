using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace MLNet.Gpt;

/// <summary>What a policy's run depends on.</summary>
internal static class PolicyFingerprint
{
    /// <summary>Collects it.</summary>
    public static Fingerprint Of(
        PolicyOptimizationOptions options, int? rowsAtOnce, PolicyTrainedModel model, PretrainedWeights pretrained, RewardScorer rewards, IReadOnlyList<PolicyPrompt> prompts, PackedRows? mix, int episodesInRollouts, long seed)
    {
        var fingerprint = new Fingerprint(Fingerprint.PolicyOptimization)
        {
            ["Algorithm"] = options.Algorithm,
            ["Rollouts"] = episodesInRollouts,
            ["BatchSize"] = options.BatchSize,
            ["Rollout"] = FormattableString.Invariant($"{options.SamplesPerPrompt} to a prompt, {options.Rollout.Minibatches} minibatches, {options.Rollout.InnerEpochs} inner epochs, {options.Rollout.MaxNewTokens} tokens at temperature {options.Rollout.Temperature}, {options.Rollout.GenerationBatchSize} at once"),
            ["Kl"] = FormattableString.Invariant($"{options.KlCoefficient} {options.Kl.Estimator}, in the reward {options.KlInReward}, target {options.Kl.Target}, horizon {options.Kl.Horizon}, limit {options.Kl.Limit}"),
            ["ClipRange"] = FormattableString.Invariant($"{options.ClipRange} {options.ClipRangeHigh ?? options.ClipRange} {options.DualClip}"),
            ["EntropyCoefficient"] = options.EntropyCoefficient,
            ["Reward"] = FormattableString.Invariant($"{options.Reward.MissingEndPenalty} {options.Reward.Normalization} {options.Reward.ClipRange}"),
            ["StopTokens"] = string.Join(' ', options.Generation.StopTokenIds),
            ["Reference weights"] = Fingerprint.HashOf(model.Reference),
            ["Prompts"] = HashOf(prompts),
        };
        (PpoOptions ppo, GrpoOptions grpo) = (options.PpoInUse, options.GrpoInUse);
        if (options.Algorithm == PolicyAlgorithm.Ppo)
            fingerprint["Ppo"] = FormattableString.Invariant($"{ppo.Gamma} {ppo.GaeLambda} {ppo.ValueClipRange} {ppo.ValueCoefficient} {ppo.ValueWarmupRollouts}, whitened {ppo.WhitenAdvantages} {ppo.WhitenRewards}");
        if (options.Algorithm == PolicyAlgorithm.Grpo) fingerprint["Grpo"] = FormattableString.Invariant($"{grpo.Loss}, scaled {grpo.ScaleByGroup}, truncated ones left out {grpo.MaskTruncated}");
        if (options.Run.Folder is not null)
        {
            foreach ((string name, string identity) in rewards.Identities) fingerprint[$"Reward.{name}"] = identity;
        }

        if (mix is not null) fingerprint["PretrainingMix"] = FormattableString.Invariant($"{options.PretrainingMix!.Coefficient} {options.PretrainingMix.BatchSize} {Fingerprint.HashOfFile(mix.File.Path)}");
        fingerprint.Add(model.Network, pretrained, seed, rowsAtOnce);
        fingerprint.Add(options.Lora);
        fingerprint.Add(options.Run);
        fingerprint.Add(options.OptimizerInUse, "Optimizer.DecaySteps", "all");
        return fingerprint;
    }

    private static string HashOf(IReadOnlyList<PolicyPrompt> prompts)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (PolicyPrompt prompt in prompts)
        {
            hash.AppendData(BitConverter.GetBytes(prompt.Tokens.Length));
            hash.AppendData(MemoryMarshal.AsBytes(prompt.Tokens.AsSpan()));
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }
}
