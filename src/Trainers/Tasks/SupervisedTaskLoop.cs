using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Supervised fine-tuning of a GPT with a task head (Radford et al. 2018, section 3.2), the same for all four tasks: they differ in how an example becomes
/// sequences and in what the head gives. The estimator prepares what it gets, and wraps what it leaves.
/// </summary>
internal sealed class SupervisedTaskLoop(
    TaskModel model,
    IReadOnlyList<TaskExample> training,
    IReadOnlyList<TaskExample> validation,
    int classes,
    IReadOnlyList<double>? classWeights,
    SupervisedTaskOptions options,
    int? examplesAtOnce,
    long seed,
    RunFolder? folder,
    Action<string> log)
{
    private readonly TaskNetwork _network = model.Task;
    private readonly int _stepsPerEpoch = EpochSteps.Of(training.Count, options.BatchSize);
    private readonly int _atOnce = examplesAtOnce ?? options.BatchSize;
    private IReadOnlyList<TaskExample[]> _batches = [];
    private int _batchedEpoch = -1;
    private (int Step, TaskEvaluation Evaluation)? _last, _best;

    /// <summary>The updates of the whole run.</summary>
    public int MaxSteps => EpochSteps.Total(_stepsPerEpoch, options.Epochs, nameof(options.Epochs));

    /// <summary>For tests: called before each update's computation.</summary>
    internal Action<int>? StepStarting { get; init; }

    /// <summary>Runs to the last epoch, to cancellation, or until early stopping ends it. The network then holds the weights that the options ask for.</summary>
    /// <param name="resumed">The state to continue from; null begins afresh.</param>
    /// <returns>What became of the run, and how the network does on the validation set; null where that is not known.</returns>
    /// <exception cref="TrainingDivergedException">The loss or the gradient was not finite too many times in a row.</exception>
    /// <exception cref="TrainingOutOfMemoryException">The memory is too small for the micro-batch.</exception>
    /// <exception cref="DiskFullException">There is no room for a checkpoint or a report; the last checkpoint is whole.</exception>
    public (RunResult Result, TaskEvaluation? Evaluation) Run(TrainingCheckpoint? resumed)
    {
        // 1. Begin at the pretrained weights, or continue where the last checkpoint stands. One gradient norm is over all that is trained.
        RunSettings settings = options.Settings(MaxSteps, _stepsPerEpoch, evaluates: validation.Count > 0);
        using Tensor? weights = classWeights is null ? null : HostCopy.To(model.Network.TorchDevice, [.. classWeights.Select(static w => (float)w)]);   // (K)
        using var run = new TrainingRun(model, settings, folder, resumed, log);
        using var updates = new UpdateStep<TaskExample[]>(run, model.Network, settings, seed, losses: options.AuxiliaryLossWeight > 0 ? 2 : 1, log)
        {
            Source = static outcome => BatchRows.Text("the rows", outcome.Batch.Select(static e => e.Row)),
            Documents = static outcome => BatchRows.Ranges(outcome.Batch.Select(static e => e.Row)),
        };
        try
        {
            if (run.State.Step > run.State.ReportedStep) ReportIfDue(run);   // resumed from a cancellation during an evaluation
            while (run.GoesOn)
            {
                options.Run.CancellationToken.ThrowIfCancellationRequested();

                // 2. One update.
                Update(run, updates, weights);

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
        (int step, TaskEvaluation evaluation)? known = result.IsBest ? _best : _last;
        if (known is { } found && found.step == (result.IsBest ? result.State.BestStep : result.State.Step)) return (result, found.evaluation);
        return (result, settings.EvaluationInterval == 0 || result.Cancelled ? null : MeanLoss(run, CancellationToken.None));   // a resumed run has not made that evaluation itself
    }

    /// <summary>Forward and backward over the micro-batches of an update, then the optimizer.</summary>
    private void Update(TrainingRun run, UpdateStep<TaskExample[]> updates, Tensor? weights)
    {
        TaskExample[] examples = ExamplesOf(run.State.Step);
        int rows = examples.Sum(static example => example.Sequences.Length);
        double total = classWeights is null ? examples.Length : examples.Sum(example => classWeights[example.Label]);
        double taskScale = total > 0 ? 1 / total : 0, auxiliaryScale = options.AuxiliaryLossWeight / rows;
        using UpdateStep<TaskExample[]>.Scope update = updates.Begin();
        StepStarting?.Invoke(run.State.Step);
        Tensor task = zeros([], ScalarType.Float32, model.Network.TorchDevice), auxiliary = zeros([], ScalarType.Float32, model.Network.TorchDevice);
        foreach (TaskExample[] some in examples.Chunk(_atOnce))
        {
            var batch = new TaskBatch(some, model.Network.Config, model.Network.TorchDevice, options.AuxiliaryLossWeight > 0);
            using UpdateStep<TaskExample[]>.MicroBatch part = updates.Part(batch.RowCount, batch.Width);
            (Tensor taskSum, Tensor auxiliarySum) = TaskPass.Backward(_network, batch, weights, taskScale, auxiliaryScale, options.ClassifierDropout);
            task.PlusInPlace(taskSum);
            auxiliary.PlusInPlace(auxiliarySum);
        }

        long tokens = examples.Sum(static example => example.Sequences.Sum(static sequence => (long)sequence.Length));
        run.State = run.State with { Tokens = run.State.Tokens + tokens };
        run.Meter.Count(tokens, examples.Length, examples.Sum(example => example.Sequences.Sum(sequence => sequence.Length * run.Memory.FlopsPerToken(sequence.Length))));
        UpdateLoss taskLoss = new(task, 1, total), auxiliaryLoss = new(auxiliary, 1, rows);
        updates.End(options.Optimizer.RateAt(run.State.Step, MaxSteps), options.AuxiliaryLossWeight > 0 ? [taskLoss, auxiliaryLoss] : [taskLoss], examples);
    }

    /// <summary>The examples of a step: each epoch's batches are decided by the seed.</summary>
    private TaskExample[] ExamplesOf(int step)
    {
        int epoch = step / _stepsPerEpoch;
        if (epoch != _batchedEpoch) (_batches, _batchedEpoch) = (TaskBatches.Of(training, options.BatchSize, options.LengthBucketBatches, seed, epoch), epoch);
        return _batches[step % _stepsPerEpoch];
    }

    private void ReportIfDue(TrainingRun run)
    {
        if (run.IsEvaluationDue)
        {
            double loss = run.Evaluate(() => (_last = (run.State.Step, MeanLoss(run, options.Run.CancellationToken))).Value.Evaluation.Loss);
            if (run.State.BestStep == run.State.Step) _best = _last;
            run.Report(loss, report => report with { ValidationAccuracy = _last!.Value.Evaluation.Accuracy });
        }
        else if (run.IsReportDue)
        {
            run.Report(null);
        }
    }

    private TaskEvaluation MeanLoss(TrainingRun run, CancellationToken cancellation)
    {
        TaskExample[] examples = [.. validation.Take(options.Evaluation.MaxRows ?? validation.Count)];
        run.Computes(Math.Min(_atOnce, examples.Length) * examples[0].Sequences.Length, examples.Max(static e => e.Width));
        return TaskEvaluation.Of(_network, examples, _atOnce, classes, classWeights, cancellation);
    }
}
