using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace MLNet.Gpt;

/// <summary>What the losses of a supervised task's run depend on.</summary>
internal static class TaskFingerprint
{
    /// <summary>Collects it.</summary>
    public static Fingerprint Of(
        SupervisedTaskOptions options, ClassifierHead head, int? examplesAtOnce, TaskModel model, PretrainedWeights? pretrained, IReadOnlyList<TaskExample> training, IReadOnlyList<double>? classWeights, GptTokenizer tokenizer, long seed)
    {
        var fingerprint = new Fingerprint(head.Task.ToString())
        {
            ["Labels"] = head.IsRegression ? "a number" : string.Join(", ", head.Labels),
            ["Epochs"] = options.Epochs,
            ["BatchSize"] = options.BatchSize,
            [Fingerprint.MicroBatchSize] = examplesAtOnce?.ToString(CultureInfo.InvariantCulture) ?? "all",
            ["LengthBucketBatches"] = options.LengthBucketBatches,
            ["Optimizer.LearningRate"] = options.Optimizer.LearningRate,
            ["Optimizer.WarmupFraction"] = options.Optimizer.WarmupFraction,
            ["Optimizer.WeightDecay"] = options.Optimizer.WeightDecay,
            ["Optimizer.GradientClipNorm"] = options.Optimizer.GradientClipNorm,
            ["AuxiliaryLossWeight"] = options.AuxiliaryLossWeight,
            ["ClassifierDropout"] = options.ClassifierDropout,
            ["ClassWeights"] = classWeights is null ? "none" : string.Join(", ", classWeights.Select(static w => w.ToString(CultureInfo.InvariantCulture))),
            ["Precision"] = model.Network.Precision,
            ["Device"] = model.Network.Device,
            ["Seed"] = seed,
            ["Tokenizer"] = tokenizer.Hash,
            ["Pretrained weights"] = pretrained is null ? "none" : Fingerprint.HashOf(pretrained.Weights),
            ["Training examples"] = HashOf(training),
        };
        fingerprint.Add(model.Network.Config, model.Network.Dropout);
        fingerprint.Add(options.Lora);
        fingerprint.Add(options.Freeze);
        fingerprint.Add(options.Run);
        return fingerprint;
    }

    private static string HashOf(IReadOnlyList<TaskExample> examples)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (TaskExample example in examples)
        {
            hash.AppendData(BitConverter.GetBytes(example.Label));
            hash.AppendData(BitConverter.GetBytes(example.Target));
            foreach (int[] sequence in example.Sequences)
            {
                hash.AppendData(BitConverter.GetBytes(sequence.Length));
                hash.AppendData(MemoryMarshal.AsBytes(sequence.AsSpan()));
            }
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }
}
