using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Pretraining: next-token prediction over packed rows (Radford et al. 2018, section 3.1; Brown et al. 2020, section 2.3 and
/// appendix B). The estimator prepares what it gets, and wraps what it leaves.
/// </summary>
internal sealed class PretrainingLoop(PretrainingModel model, PackedRows training, PackedRows? validation, LanguageModelOptions options, long seed, RunFolder? folder, Action<string> log, TrainingPlan? plan = null)
{
    private readonly GptNetwork _network = model.Network;
    private readonly TrainingPlan _plan = plan ?? TrainingPlan.Of(options);

    /// <summary>UTF-8 bytes that a predicted token of the validation rows stands for, on average; null where that is not known.</summary>
    public double? BytesPerToken { get; init; }

    /// <summary>For tests: called before each update's computation.</summary>
    internal Action<int>? StepStarting { get; init; }

    /// <summary>Runs to the last step or to cancellation. The network then holds the weights that the options ask for.</summary>
    /// <param name="resumed">The state to continue from; null begins afresh.</param>
    /// <exception cref="TrainingDivergedException">The loss or the gradient was not finite too many times in a row.</exception>
    /// <exception cref="TrainingOutOfMemoryException">The memory is too small for the micro-batch.</exception>
    /// <exception cref="DiskFullException">There is no room for a checkpoint or a report; the last checkpoint is whole.</exception>
    public PretrainingResult Run(TrainingCheckpoint? resumed)
    {
        // 1. Begin, or continue where the last checkpoint stands.
        RunSettings settings = options.Settings(evaluates: validation is not null);
        using var run = new TrainingRun(model, settings, folder, resumed, log);
        using var loader = new BatchLoader(training, _plan, seed, run.State);
        using var updates = new UpdateStep<IReadOnlyList<long>>(run, _network, settings, seed, losses: 1, log)
        {
            Source = outcome => $"The batch came from {string.Join(", ", DocumentsOf(outcome))}",
            Documents = DocumentsOf,
        };
        try
        {
            if (run.State.Step == 0 && run.IsEvaluationDue) Evaluate(run);
            if (run.State.Step > run.State.ReportedStep) ReportIfDue(run);   // resumed from a cancellation during an evaluation
            while (run.GoesOn)
            {
                options.Run.CancellationToken.ThrowIfCancellationRequested();

                // 2. One update.
                Update(run, updates, loader);

                // 3. Report, evaluate and save when it is time.
                updates.SettleIfDue();
                ReportIfDue(run);
                if (run.IsSaveDue) run.Save();
            }
        }
        catch (OperationCanceledException) when (options.Run.CancellationToken.IsCancellationRequested)
        {
            updates.Settle();
            run.Cancel();
        }
        catch (Exception e) when (OutOfMemory.Is(e, out _))
        {
            throw run.TooLarge(e);
        }

        // 4. Leave the last state on disk and the weights that were asked for in the network.
        RunResult result = run.Complete();
        RunState state = result.State;
        return new(result.History, state.Step, result.TrainingLoss, state.ValidationLoss, state.BestValidationLoss, state.BestStep, result.Cancelled, state.SkippedUpdates)
        {
            LastCheckpoint = result.LastCheckpoint,
            BestCheckpoint = result.BestCheckpoint,
        };
    }

    /// <summary>Forward and backward over the micro-batches of a step, then the optimizer.</summary>
    private void Update(TrainingRun run, UpdateStep<IReadOnlyList<long>> updates, BatchLoader loader)
    {
        PlannedStage stage = _plan.StageOf(run.State.Step);
        double scale = 1.0 / stage.TokensPerStep, rate = LearningRateSchedule.At(run.State.Step, options.Optimizer, options.MaxSteps);
        var starts = new List<long>(stage.BatchSize);
        RunState after = run.State;
        using UpdateStep<IReadOnlyList<long>>.Scope update = updates.Begin();
        StepStarting?.Invoke(run.State.Step);
        Tensor loss = zeros([], ScalarType.Float32, _network.TorchDevice);
        for (int done = 0; done < stage.BatchSize; done += stage.MicroBatchSize)
        {
            using UpdateStep<IReadOnlyList<long>>.MicroBatch part = updates.Part(stage.MicroBatchSize, stage.SequenceLength);
            TrainingBatch batch = loader.Next();
            (Tensor ids, Tensor targets) = batch.To(_network.TorchDevice);                                // (B, T), (B·T)
            part.Done(StepPart.Data);
            Tensor hidden = _network.Hidden(ids);                                                         // (B·T, C)
            part.Done(StepPart.Forward);
            loss.PlusInPlace(LanguageModelPass.Backward(_network, hidden, targets, scale));
            starts.AddRange(batch.RowStarts);
            after = after with { Position = batch.After, RowPart = batch.RowPart };
        }

        run.State = after with { Tokens = _plan.TokensOf(run.State.Step + 1) };
        run.Meter.Count(stage.TokensPerStep, examples: 0, stage.TokensPerStep * run.Memory.FlopsPerToken(stage.SequenceLength));
        updates.End(rate, [new(loss, 1, stage.TokensPerStep)], starts);
    }

    private DocumentRange[] DocumentsOf(StepOutcome<IReadOnlyList<long>> outcome)
    {
        int length = _plan.StageOf(outcome.Step).SequenceLength;
        return [.. outcome.Batch.Select(start => training.DocumentsOf(start, length)).Distinct()];
    }

    private void ReportIfDue(TrainingRun run)
    {
        double? validationLoss = run.IsEvaluationDue ? Evaluate(run) : null;
        if (validationLoss is null && !run.IsReportDue) return;
        run.Report(validationLoss, report => report with { BitsPerByte = report.ValidationLoss / (BytesPerToken * Math.Log(2)) });
    }

    private double Evaluate(TrainingRun run)
    {
        run.Computes(_plan.EvaluationRows, validation!.ContextLength);
        double loss = run.Evaluate(() => Evaluation.MeanLoss(_network, validation, options.Evaluation.MaxRows, _plan.EvaluationRows, options.Run.CancellationToken));
        if (run.State.Step == 0) log(FormattableString.Invariant($"step 0/{options.MaxSteps}  validation {loss:F4} (a uniform guess: {Math.Log(_network.Config.VocabularySize):F4})"));
        return loss;
    }
}
