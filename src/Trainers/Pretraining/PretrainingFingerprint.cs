namespace MLNet.Gpt;

/// <summary>What the losses of a pretraining run depend on.</summary>
internal static class PretrainingFingerprint
{
    /// <summary>Collects it.</summary>
    /// <param name="options">The options of the run.</param>
    /// <param name="plan">Its stages, micro-batch sizes decided.</param>
    /// <param name="precision">The number format in use.</param>
    /// <param name="device">The device in use.</param>
    /// <param name="seed">The seed in use.</param>
    /// <param name="tokenizerHash">The tokenizer's hash.</param>
    /// <param name="dataHash">A hash of the training tokens.</param>
    public static Fingerprint Of(LanguageModelOptions options, TrainingPlan plan, GptPrecision precision, GptDevice device, long seed, string tokenizerHash, string dataHash)
    {
        GptConfig model = options.Model;
        var fingerprint = new Fingerprint(Fingerprint.Pretraining)
        {
            ["BatchSize"] = options.BatchSize,
            [Fingerprint.MicroBatchSize] = plan.MicroBatchSizes,
            ["Stages"] = options.Stages.Count == 0 ? "none" : string.Join("; ", options.Stages.Select(static s => FormattableString.Invariant($"{s.Steps} steps of {s.BatchSize} rows of {s.SequenceLength} tokens"))),
            ["AverageDecay"] = options.Run.AverageDecay,
            ["Precision"] = precision,
            ["AllowTf32"] = options.Run.AllowTf32,
            ["Device"] = device,
            ["Seed"] = seed,
            ["Tokenizer"] = tokenizerHash,
            ["Training text"] = dataHash,
        };
        DropoutOptions dropout = options.Run.Dropout ?? DropoutOptions.None;
        fingerprint.Add(model, dropout);
        fingerprint.Add(options.Optimizer, "Optimizer.DecaySteps (MaxSteps, unless set)", FormattableString.Invariant($"{options.MaxSteps}"));

        // Dropout draws otherwise where blocks are computed again; without it the losses are the same.
        if (dropout.Attention > 0 || dropout.Residual > 0) fingerprint["ActivationCheckpointing"] = options.Run.ActivationCheckpointing;
        return fingerprint;
    }
}
