using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace MLNet.Gpt;

/// <summary>What the losses of a reward model's run depend on.</summary>
internal static class RewardFingerprint
{
    /// <summary>Collects it.</summary>
    public static Fingerprint Of(RewardModelOptions options, int? promptsAtOnce, RewardTrainedModel model, PretrainedWeights pretrained, IReadOnlyList<RankedGroup> training, long seed)
    {
        var fingerprint = new Fingerprint("reward model")
        {
            ["Head"] = FormattableString.Invariant($"{options.Head.Readout}, conversations {options.Head.Conversations}, {options.Head.Overflow}, special tokens {options.Head.SpecialTokens}"),
            ["Epochs"] = options.Epochs,
            ["BatchSize"] = options.BatchSize,
            ["Margin"] = options.Margin,
            ["Centering"] = options.Centering,
            ["Training examples"] = HashOf(training),
        };
        fingerprint.Add(model.Network, pretrained, seed, promptsAtOnce);
        fingerprint.Add(options.Lora);
        fingerprint.Add(options.Freeze);
        fingerprint.Add(options.Run);
        fingerprint.Add(options.OptimizerInUse, "Optimizer.DecaySteps", "all");
        return fingerprint;
    }

    private static string HashOf(IReadOnlyList<RankedGroup> groups)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (RankedGroup group in groups)
        {
            hash.AppendData(BitConverter.GetBytes(group.Responses.Length));
            foreach (RankedResponse response in group.Responses)
            {
                hash.AppendData(BitConverter.GetBytes(response.Grade));
                hash.AppendData(BitConverter.GetBytes(response.Sequence.Length));
                hash.AppendData(MemoryMarshal.AsBytes(response.Sequence.AsSpan()));
            }
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }
}
