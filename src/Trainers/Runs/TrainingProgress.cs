using System.Globalization;
using System.Text;

namespace MLNet.Gpt;

/// <summary>Where a training run stands, as reported every <see cref="RunOptions.LogInterval"/> steps and at each evaluation. All trainers report this; what a trainer does not know is null.</summary>
/// <param name="Step">Updates made, 1 to <paramref name="MaxSteps"/>.</param>
/// <param name="MaxSteps">The updates of the whole run.</param>
/// <param name="Tokens">Tokens trained on so far: those with a loss in language-model training, those of all sequences in a supervised task.</param>
/// <param name="Loss">The mean training loss over all tokens (examples, pairs) since the last report, <see cref="Updates"/> of them: nats per token, nats per example in a supervised task, or the squared error of a regression.</param>
/// <param name="LearningRate">The rate of the last step.</param>
/// <param name="GradientNorm">The Euclidean norm of the last gradient before clipping.</param>
/// <param name="TokensPerSecond">Training speed since the last report, evaluation not counted.</param>
/// <param name="ValidationLoss">The validation loss, in the unit of <paramref name="Loss"/>, where this report follows an evaluation.</param>
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
    /// <summary>
    /// The updates since the last report, which <see cref="Loss"/> is the mean of: <see cref="RunOptions.LogInterval"/> or, at an evaluation between two reports and at the end of a run, fewer. A loss of one
    /// update scatters more than one of many. 0 in reports of runs that did not note it.
    /// </summary>
    public int Updates { get; init; }

    /// <summary>exp(<see cref="ValidationLoss"/>), or of <see cref="Loss"/> where there is no validation loss; null where that is not a language model's.</summary>
    public double? Perplexity { get; init; }

    /// <summary>The validation loss in bits per byte of UTF-8, which does not depend on the tokenizer; null where this report follows no evaluation, or the text is not known.</summary>
    public double? BitsPerByte { get; init; }

    /// <summary>The auxiliary language model's mean loss since the last report, nats per token; null outside the supervised tasks, or where its weight is 0.</summary>
    public double? AuxiliaryLoss { get; init; }

    /// <summary>The share of all validation rows that were right, where this report follows an evaluation of classes.</summary>
    public double? ValidationAccuracy { get; init; }

    /// <summary>Examples trained on a second since the last report, evaluation not counted; null in pretraining, which has none.</summary>
    public double? ExamplesPerSecond { get; init; }

    /// <summary>
    /// The share of the device's arithmetic rate that the model's own operations reach (Chowdhery et al. 2022, section 4.1), against
    /// <see cref="RunOptions.PeakFlops"/>; null where that is 0, and where that was to be measured and the run itself is faster than what was measured.
    /// </summary>
    public double? ModelFlopsUtilization { get; init; }

    /// <summary>The most memory that the process has had in use so far, on a CPU; null on a GPU, whose allocator TorchSharp does not tell of.</summary>
    public long? PeakMemoryBytes { get; init; }

    /// <summary>Updates since the last report whose loss stood out: <see cref="RunOptions.LossSpikeDeviations"/>.</summary>
    public int LossSpikes { get; init; }

    /// <summary>Updates left out so far because the loss or the gradient was not finite.</summary>
    public int SkippedUpdates { get; init; }

    /// <summary>Where the time goes; null unless <see cref="RunOptions.MeasureStepTimes"/> is set.</summary>
    public StepTimes? StepTimes { get; init; }

    /// <summary>
    /// What a method measures besides, the mean of the updates since the last report, by the name that TRL has for it; null where a trainer measures nothing. In
    /// <c>metrics.jsonl</c> the object <c>metrics</c>, in TensorBoard a curve for each name.
    /// </summary>
    public IReadOnlyDictionary<string, double>? Metrics { get; init; }

    /// <summary>One line for a console or a log.</summary>
    public override string ToString()
    {
        var line = new StringBuilder();
        line.Append(CultureInfo.InvariantCulture, $"step {Step}/{MaxSteps}  loss {Loss:F4}");
        if (AuxiliaryLoss is { } auxiliary) line.Append(CultureInfo.InvariantCulture, $"  lm {auxiliary:F4}");
        if (ValidationLoss is { } validation) line.Append(CultureInfo.InvariantCulture, $"  validation {validation:F4}");
        if (ValidationAccuracy is { } accuracy) line.Append(CultureInfo.InvariantCulture, $"  validation accuracy {100 * accuracy:F1} %");
        if (BitsPerByte is { } bits) line.Append(CultureInfo.InvariantCulture, $"  {bits:F4} bits/byte");
        foreach ((string name, double value) in Metrics ?? new Dictionary<string, double>()) line.Append(CultureInfo.InvariantCulture, $"  {name} {value:G4}");
        line.Append(CultureInfo.InvariantCulture, $"  lr {LearningRate:E2}  grad {GradientNorm:F2}");
        line.Append(CultureInfo.InvariantCulture, $"  {ExamplesPerSecond ?? TokensPerSecond:N0} {(ExamplesPerSecond is null ? "tokens" : "examples")}/s");
        if (ModelFlopsUtilization is { } mfu) line.Append(CultureInfo.InvariantCulture, $"  MFU {100 * mfu:F1} %");
        if (PeakMemoryBytes is { } peak) line.Append(CultureInfo.InvariantCulture, $"  peak {ByteSize.Text(peak)}");
        if (LossSpikes > 0) line.Append(CultureInfo.InvariantCulture, $"  {LossSpikes} spikes");
        line.Append(CultureInfo.InvariantCulture, $"  {(Remaining.TotalHours >= 1 ? $"{(int)Remaining.TotalHours}:{Remaining.Minutes:D2}" : $"{Remaining.Minutes}")}:{Remaining.Seconds:D2} left");
        return line.ToString();
    }
}
