using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace MLNet.Gpt;

/// <summary>What the losses of a fine-tuning run depend on, by name: a run that is resumed must have all of it in common.</summary>
internal static class FineTuningFingerprint
{
    /// <summary>Collects it.</summary>
    public static IReadOnlyDictionary<string, string> Of(
        SupervisedFineTuningOptions options, IGptWeights pretrained, IReadOnlyList<SupervisedExample> training, GptTokenizer tokenizer, GptPrecision precision, GptDevice device, long seed)
    {
        AdamWOptions optimizer = options.OptimizerInUse;
        var values = new SortedDictionary<string, object>(StringComparer.Ordinal)
        {
            ["Lora"] = options.Lora is { } lora ? FormattableString.Invariant($"rank {lora.Rank}, scale {lora.Scale}, dropout {lora.Dropout}, {lora.Projections}, layers {(lora.Layers is null ? "all" : string.Join(' ', lora.Layers.Order()))}") : "none",
            ["Epochs"] = options.Epochs,
            ["BatchSize"] = options.BatchSize,
            ["MicroBatchSize"] = options.MicroBatchSize?.ToString(CultureInfo.InvariantCulture) ?? "all",
            ["Packing"] = options.Packing,
            ["ResidualDropout"] = options.ResidualDropout ?? pretrained.Config.ResidualDropout,
            ["EmbeddingDropout"] = pretrained.Config.EmbeddingDropout,
            ["AttentionDropout"] = pretrained.Config.AttentionDropout,
            ["Optimizer.LearningRate"] = optimizer.LearningRate,
            ["Optimizer.MinLearningRate"] = optimizer.MinLearningRate ?? optimizer.LearningRate / 10,
            ["Optimizer.WarmupSteps"] = optimizer.WarmupSteps,
            ["Optimizer.DecaySteps"] = optimizer.DecaySteps?.ToString(CultureInfo.InvariantCulture) ?? "all",
            ["Optimizer.Beta1"] = optimizer.Beta1,
            ["Optimizer.Beta2"] = optimizer.Beta2,
            ["Optimizer.Epsilon"] = optimizer.Epsilon,
            ["Optimizer.WeightDecay"] = optimizer.WeightDecay,
            ["Optimizer.GradientClipNorm"] = optimizer.GradientClipNorm,
            ["Precision"] = precision,
            ["Device"] = device,
            ["Seed"] = seed,
            ["Tokenizer"] = tokenizer.Hash,
            ["Pretrained weights"] = HashOf(pretrained),
            ["Training examples"] = HashOf(training),
        };
        return values.ToDictionary(static p => p.Key, static p => Convert.ToString(p.Value, CultureInfo.InvariantCulture)!);
    }

    private static string HashOf(IGptWeights weights)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (GptParameterInfo info in GptParameterLayout.Of(weights.Config))
        {
            var values = new float[info.ElementCount];
            weights.Read(info.Name, values);
            hash.AppendData(MemoryMarshal.AsBytes(values.AsSpan()));
        }

        return Convert.ToHexString(hash.GetHashAndReset());
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
