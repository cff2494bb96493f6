namespace MLNet.Gpt;

/// <summary>Where a supervised run stands, as reported every <see cref="SupervisedTaskOptions.LogInterval"/> updates and at each evaluation.</summary>
/// <param name="Step">Updates made, 1 to <paramref name="MaxSteps"/>.</param>
/// <param name="MaxSteps">The updates of the whole run.</param>
/// <param name="Loss">The task's mean loss since the last report: nats per example, or the squared error of a regression.</param>
/// <param name="AuxiliaryLoss">The language model's mean loss since the last report, nats per token; null where λ is 0.</param>
/// <param name="LearningRate">The rate of the last update.</param>
/// <param name="GradientNorm">The Euclidean norm of the last gradient before clipping.</param>
/// <param name="ExamplesPerSecond">Training speed since the last report, evaluation not counted.</param>
/// <param name="ValidationLoss">The validation loss where this report follows an evaluation.</param>
/// <param name="ValidationAccuracy">The share of all validation rows that were right, where this report follows an evaluation of classes.</param>
/// <param name="Elapsed">Time since the run began.</param>
/// <param name="Remaining">The estimated time left.</param>
public sealed record SupervisedTaskProgress(
    int Step,
    int MaxSteps,
    double Loss,
    double? AuxiliaryLoss,
    double LearningRate,
    double GradientNorm,
    double ExamplesPerSecond,
    double? ValidationLoss,
    double? ValidationAccuracy,
    TimeSpan Elapsed,
    TimeSpan Remaining)
{
    /// <summary>One line for a console or a log.</summary>
    public override string ToString() => FormattableString.Invariant(
        $"step {Step}/{MaxSteps}  loss {Loss:F4}{(AuxiliaryLoss is { } lm ? FormattableString.Invariant($"  lm {lm:F4}") : "")}{(ValidationLoss is { } v ? FormattableString.Invariant($"  validation {v:F4}") : "")}{(ValidationAccuracy is { } a ? FormattableString.Invariant($"  accuracy {a:P1}") : "")}  lr {LearningRate:E2}  grad {GradientNorm:F2}  {ExamplesPerSecond:N0} examples/s  {Remaining:m\\:ss} left");
}
