using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Supervised fine-tuning (Ouyang et al. 2022, section 3.5): next-token prediction on the completions of examples, each once an epoch, in
/// an order of its own each epoch. The estimator prepares what it gets, and wraps what it leaves.
/// </summary>
internal sealed class SupervisedFineTuningLoop(
    FineTuningModel model, IReadOnlyList<SupervisedExample> training, IReadOnlyList<SupervisedExample> validation, SupervisedFineTuningOptions options, int? rowsAtOnce, long seed, RunFolder? folder, Action<string> log)
{
    private readonly GptNetwork _network = model.Network;
    private readonly AdamWOptions _optimizer = options.OptimizerInUse;
    private readonly int _stepsPerEpoch = EpochSteps.Of(training.Count, options.BatchSize);
    private readonly EpochOrder _order = new(training.Count, seed);

    /// <summary>The updates of the whole run.</summary>
    public int MaxSteps => EpochSteps.Total(_stepsPerEpoch, options.Epochs, nameof(options.Epochs));

    private int? RowLength => options.Packing ? _network.Config.ContextLength : null;

    /// <summary>Runs to the last epoch, to cancellation, or until early stopping ends it. The network then holds the weights that the options ask for.</summary>
    /// <param name="resumed">The state to continue from; null begins afresh.</param>
    /// <exception cref="TrainingDivergedException">The loss or the gradient was not finite too many times in a row.</exception>
    /// <exception cref="TrainingOutOfMemoryException">The memory is too small for the micro-batch.</exception>
    /// <exception cref="DiskFullException">There is no room for a checkpoint or a report; the last checkpoint is whole.</exception>
    public RunResult Run(TrainingCheckpoint? resumed)
    {
        // 1. Begin at the pretrained weights, or continue where the last checkpoint stands.
        RunSettings settings = options.Settings(MaxSteps, _stepsPerEpoch, evaluates: validation.Count > 0);
        using var run = new TrainingRun(model, settings, folder, resumed, log);
        using var updates = new UpdateStep<SupervisedExample[]>(run, _network, settings, seed, losses: 1, log)
        {
            Source = static outcome => BatchRows.Text("the rows", outcome.Batch.Select(static e => e.Row)),
            Documents = static outcome => BatchRows.Ranges(outcome.Batch.Select(static e => e.Row)),
        };
        try
        {
            if (run.State.Step == 0 && run.IsEvaluationDue) Evaluate(run);
            if (run.State.Step > run.State.ReportedStep) ReportIfDue(run);   // resumed from a cancellation during an evaluation
            while (run.GoesOn)
            {
                options.Run.CancellationToken.ThrowIfCancellationRequested();

                // 2. One update: the examples in rows, the rows in micro-batches, the mean over all their completion tokens.
                Update(run, updates);

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
        return run.Complete();
    }

    /// <summary>Forward and backward over the micro-batches of a step, then the optimizer.</summary>
    private void Update(TrainingRun run, UpdateStep<SupervisedExample[]> updates)
    {
        SupervisedExample[] examples = [.. _order.Of(run.State.Step, options.BatchSize).Select(index => training[index])];
        long targets = examples.Sum(static e => (long)e.TargetCount);
        using UpdateStep<SupervisedExample[]>.Scope update = updates.Begin();
        Tensor loss = zeros([], ScalarType.Float32, _network.TorchDevice);
        foreach (SupervisedBatch batch in SupervisedBatch.Of(examples, RowLength, rowsAtOnce))
        {
            using UpdateStep<SupervisedExample[]>.MicroBatch part = updates.Part(batch.RowCount, batch.Length);
            (Tensor hidden, Tensor next) = batch.Run(_network);                                            // (n, C), (n)
            part.Done(StepPart.Forward);
            loss.PlusInPlace(LanguageModelPass.Backward(_network, hidden, next, 1.0 / targets));
        }

        run.State = run.State with { Tokens = run.State.Tokens + targets };
        run.Meter.Count(targets, examples.Length, examples.Sum(e => e.Length * run.Memory.FlopsPerToken(e.Length)));
        updates.End(LearningRateSchedule.At(run.State.Step, _optimizer, MaxSteps), [new(loss, 1, targets)], examples);
    }

    private void ReportIfDue(TrainingRun run)
    {
        double? validationLoss = run.IsEvaluationDue ? Evaluate(run) : null;
        if (validationLoss is not null || run.IsReportDue) run.Report(validationLoss);
    }

    private double Evaluate(TrainingRun run)
    {
        double loss = run.Evaluate(() => MeanLoss(run));
        if (run.State.Step == 0) log(FormattableString.Invariant($"step 0/{MaxSteps}  validation {loss:F4}"));
        return loss;
    }

    /// <summary>The mean negative log-likelihood per completion token over the validation examples, dropout off.</summary>
    private double MeanLoss(TrainingRun run)
    {
        using var noGradient = no_grad();
        _network.Training = false;
        double sum = 0;
        long targets = 0;
        try
        {
            foreach (SupervisedExample[] examples in validation.Take(options.Evaluation.MaxRows ?? validation.Count).Chunk(options.BatchSize))
            {
                foreach (SupervisedBatch batch in SupervisedBatch.Of(examples, RowLength, rowsAtOnce))
                {
                    options.Run.CancellationToken.ThrowIfCancellationRequested();
                    using var scope = NewDisposeScope();
                    run.Computes(batch.RowCount, batch.Length);
                    (Tensor hidden, Tensor next) = batch.Run(_network);                                    // (n, C), (n)
                    sum += LanguageModelPass.Sum(_network, hidden, next).item<float>();   // sync: reads the loss
                    targets += batch.TargetCount;
                }
            }
        }
        finally
        {
            _network.Training = true;
        }

        return sum / targets;
    }
}
