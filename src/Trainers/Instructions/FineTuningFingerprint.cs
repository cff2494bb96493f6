using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace MLNet.Gpt;

/// <summary>What the losses of a fine-tuning run depend on.</summary>
internal static class FineTuningFingerprint
{
    /// <summary>Collects it.</summary>
    public static Fingerprint Of(
        SupervisedFineTuningOptions options, int? rowsAtOnce, IGptWeights pretrained, IReadOnlyList<SupervisedExample> training, GptTokenizer tokenizer, GptPrecision precision, GptDevice device, long seed)
    {
        var fingerprint = new Fingerprint(Fingerprint.FineTuning)
        {
            ["Epochs"] = options.Epochs,
            ["BatchSize"] = options.BatchSize,
            [Fingerprint.MicroBatchSize] = rowsAtOnce?.ToString(CultureInfo.InvariantCulture) ?? "all",
            ["Packing"] = options.Packing,
            ["ResidualDropout"] = options.DropoutInUse.Residual,
            ["EmbeddingDropout"] = options.DropoutInUse.Embedding,
            ["AttentionDropout"] = options.DropoutInUse.Attention,
            ["Precision"] = precision,
            ["Device"] = device,
            ["Seed"] = seed,
            ["Tokenizer"] = tokenizer.Hash,
            ["Pretrained weights"] = Fingerprint.HashOf(pretrained),
            ["Training examples"] = HashOf(training),
        };
        fingerprint.Add(options.Lora);
        fingerprint.Add(options.Run);
        fingerprint.Add(options.OptimizerInUse, "Optimizer.DecaySteps", "all");
        return fingerprint;
    }

    private static string HashOf(IReadOnlyList<SupervisedExample> examples)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (SupervisedExample example in examples)
        {
            hash.AppendData(BitConverter.GetBytes(example.TokenIds.Length));
            hash.AppendData(MemoryMarshal.AsBytes(example.TokenIds.AsSpan()));
            hash.AppendData(MemoryMarshal.AsBytes(example.IsTarget.AsSpan()));
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }
}
