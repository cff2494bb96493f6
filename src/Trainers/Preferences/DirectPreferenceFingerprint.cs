using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace MLNet.Gpt;

/// <summary>What the losses of a direct preference run depend on.</summary>
internal static class DirectPreferenceFingerprint
{
    /// <summary>Collects it.</summary>
    public static Fingerprint Of(DirectPreferenceOptions options, int? pairsAtOnce, FineTuningModel model, PretrainedWeights pretrained, IReadOnlyList<PreferencePair> training, long seed)
    {
        var fingerprint = new Fingerprint("direct preference")
        {
            ["Objective"] = options.Objective,
            ["Beta"] = options.Beta,
            ["LabelSmoothing"] = options.LabelSmoothing,
            ["LengthNormalized"] = options.LengthNormalized,
            ["Epochs"] = options.Epochs,
            ["BatchSize"] = options.BatchSize,
            ["Training examples"] = HashOf(training),
        };
        fingerprint.Add(model.Network, pretrained, seed, pairsAtOnce);
        fingerprint.Add(options.Lora);
        fingerprint.Add(options.Run);
        fingerprint.Add(options.OptimizerInUse, "Optimizer.DecaySteps", "all");
        return fingerprint;
    }

    private static string HashOf(IReadOnlyList<PreferencePair> pairs)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (SupervisedExample example in pairs.SelectMany(static pair => (SupervisedExample[])[pair.Chosen, pair.Rejected]))
        {
            hash.AppendData(BitConverter.GetBytes(example.TokenIds.Length));
            hash.AppendData(BitConverter.GetBytes(example.TargetCount));
            hash.AppendData(MemoryMarshal.AsBytes(example.TokenIds.AsSpan()));
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }
}
