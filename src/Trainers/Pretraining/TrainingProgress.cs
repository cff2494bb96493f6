namespace MLNet.Gpt;

/// <summary>Where a training run stands, as logged every <see cref="LanguageModelOptions.LogInterval"/> steps.</summary>
/// <param name="Step">Updates made, 1 to <paramref name="MaxSteps"/>.</param>
/// <param name="MaxSteps">The updates of the whole run.</param>
/// <param name="Tokens">Tokens trained on so far.</param>
/// <param name="Loss">The mean training loss since the last report, nats per token.</param>
/// <param name="LearningRate">The rate of the last step.</param>
/// <param name="GradientNorm">The Euclidean norm of the last gradient before clipping.</param>
/// <param name="TokensPerSecond">Training speed since the last report, evaluation not counted.</param>
/// <param name="ValidationLoss">The validation loss, nats per token, where this report follows an evaluation.</param>
/// <param name="Elapsed">Time since the run began.</param>
/// <param name="Remaining">The estimated time left.</param>
public sealed record TrainingProgress(
    int Step,
    int MaxSteps,
    long Tokens,
    double Loss,
    double LearningRate,
    double GradientNorm,
    double TokensPerSecond,
    double? ValidationLoss,
    TimeSpan Elapsed,
    TimeSpan Remaining)
{
    /// <summary>The validation loss in bits per byte of UTF-8, which does not depend on the tokenizer; null where this report follows no evaluation, or the text is not known.</summary>
    public double? BitsPerByte { get; init; }

    /// <summary>
    /// The share of the device's arithmetic rate that the model's own operations reach (Chowdhery et al. 2022, section 4.1), against
    /// <see cref="LanguageModelOptions.PeakFlops"/>; null where that is 0.
    /// </summary>
    public double? ModelFlopsUtilization { get; init; }

    /// <summary>The most memory that the process has had in use so far, on a CPU; null on a GPU, whose allocator TorchSharp does not tell of.</summary>
    public long? PeakMemoryBytes { get; init; }

    /// <summary>Updates since the last report whose loss stood out: <see cref="LanguageModelOptions.LossSpikeDeviations"/>.</summary>
    public int LossSpikes { get; init; }

    /// <summary>Updates left out so far because the loss or the gradient was not finite.</summary>
    public int SkippedUpdates { get; init; }

    /// <summary>Where the time goes; null unless <see cref="LanguageModelOptions.MeasureStepTimes"/> is set.</summary>
    public StepTimes? StepTimes { get; init; }

    /// <summary>exp(<see cref="ValidationLoss"/>), or of <see cref="Loss"/> where there is no validation loss.</summary>
    public double Perplexity => Math.Exp(ValidationLoss ?? Loss);

    /// <summary>One line for a console or a log.</summary>
    public override string ToString() => FormattableString.Invariant(
        $"step {Step}/{MaxSteps}  loss {Loss:F4}{(ValidationLoss is { } v ? FormattableString.Invariant($"  validation {v:F4}") : "")}{(BitsPerByte is { } bits ? FormattableString.Invariant($"  {bits:F4} bits/byte") : "")}  lr {LearningRate:E2}  grad {GradientNorm:F2}  {TokensPerSecond:N0} tokens/s{(ModelFlopsUtilization is { } mfu ? FormattableString.Invariant($"  MFU {100 * mfu:F1} %") : "")}{(PeakMemoryBytes is { } peak ? $"  peak {ByteSize.Text(peak)}" : "")}{(LossSpikes > 0 ? FormattableString.Invariant($"  {LossSpikes} spikes") : "")}  {Time(Remaining)} left");

    private static string Time(TimeSpan span) => span.TotalHours >= 1
        ? FormattableString.Invariant($"{(int)span.TotalHours}:{span.Minutes:D2}:{span.Seconds:D2}")
        : FormattableString.Invariant($"{span.Minutes}:{span.Seconds:D2}");
}
