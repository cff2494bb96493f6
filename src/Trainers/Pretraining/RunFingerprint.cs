using System.Globalization;

namespace MLNet.Gpt;

/// <summary>What the losses of a run depend on, by name: a run that is resumed must have all of it in common.</summary>
internal static class RunFingerprint
{
    /// <summary>The entry of the micro-batch sizes.</summary>
    public const string MicroBatchSize = "MicroBatchSize";

    /// <summary>Collects it.</summary>
    /// <param name="options">The options of the run.</param>
    /// <param name="plan">Its stages, micro-batch sizes decided.</param>
    /// <param name="precision">The number format in use.</param>
    /// <param name="device">The device in use.</param>
    /// <param name="seed">The seed in use.</param>
    /// <param name="tokenizerHash">The tokenizer's hash.</param>
    /// <param name="dataHash">A hash of the training tokens.</param>
    public static IReadOnlyDictionary<string, string> Of(LanguageModelOptions options, TrainingPlan plan, GptPrecision precision, GptDevice device, long seed, string tokenizerHash, string dataHash)
    {
        GptConfig model = options.Model;
        AdamWOptions optimizer = options.Optimizer;
        var values = new SortedDictionary<string, object>(StringComparer.Ordinal)
        {
            ["Model.VocabularySize"] = model.VocabularySize,
            ["Model.ContextLength"] = model.ContextLength,
            ["Model.EmbeddingSize"] = model.EmbeddingSize,
            ["Model.LayerCount"] = model.LayerCount,
            ["Model.HeadCount"] = model.HeadCount,
            ["Model.FeedForwardSize"] = model.InnerSize,
            ["Model.BlockForm"] = model.BlockForm,
            ["Model.AttentionPattern"] = model.AttentionPattern,
            ["Model.AttentionBandWidth"] = model.AttentionBandWidth,
            ["Model.EmbeddingDropout"] = model.EmbeddingDropout,
            ["Model.AttentionDropout"] = model.AttentionDropout,
            ["Model.ResidualDropout"] = model.ResidualDropout,
            ["Model.LayerNormEpsilon"] = model.LayerNormEpsilon,
            ["Model.InitializerRange"] = model.InitializerRange,
            ["BatchSize"] = options.BatchSize,
            [MicroBatchSize] = plan.MicroBatchSizes,
            ["Stages"] = options.Stages.Count == 0 ? "none" : string.Join("; ", options.Stages.Select(static s => FormattableString.Invariant($"{s.Steps} steps of {s.BatchSize} rows of {s.SequenceLength} tokens"))),
            ["AverageDecay"] = options.AverageDecay,
            ["Optimizer.LearningRate"] = optimizer.LearningRate,
            ["Optimizer.MinLearningRate"] = optimizer.MinLearningRate ?? optimizer.LearningRate / 10,
            ["Optimizer.WarmupSteps"] = optimizer.WarmupSteps,
            ["Optimizer.DecaySteps (MaxSteps, unless set)"] = optimizer.DecaySteps ?? options.MaxSteps,
            ["Optimizer.Beta1"] = optimizer.Beta1,
            ["Optimizer.Beta2"] = optimizer.Beta2,
            ["Optimizer.Epsilon"] = optimizer.Epsilon,
            ["Optimizer.WeightDecay"] = optimizer.WeightDecay,
            ["Optimizer.GradientClipNorm"] = optimizer.GradientClipNorm,
            ["Precision"] = precision,
            ["AllowTf32"] = options.AllowTf32,
            ["Device"] = device,
            ["Seed"] = seed,
            ["Tokenizer"] = tokenizerHash,
            ["Training text"] = dataHash,
        };

        // Dropout draws otherwise where blocks are computed again; without it the losses are the same.
        if (model.AttentionDropout > 0 || model.ResidualDropout > 0) values["ActivationCheckpointing"] = options.ActivationCheckpointing;
        return values.ToDictionary(static p => p.Key, static p => Convert.ToString(p.Value, CultureInfo.InvariantCulture)!);
    }
}
