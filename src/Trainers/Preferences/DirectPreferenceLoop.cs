using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Direct preference optimisation (Rafailov et al. 2023): an update takes some pairs, and moves the policy so that the chosen response gains on the rejected one, against the policy as it
/// was before. The estimator prepares what it gets, and wraps what it leaves.
/// </summary>
internal sealed class DirectPreferenceLoop(
    FineTuningModel model, IReadOnlyList<PreferencePair> training, IReadOnlyList<PreferencePair> validation, DirectPreferenceOptions options, int? pairsAtOnce, long seed, RunFolder? folder, Action<string> log)
{
    /// <summary>What reports tell of the updates since the last one, under TRL's names.</summary>
    internal static readonly string[] MetricNames = ["rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected"];

    private readonly GptNetwork _network = model.Network;
    private readonly AdamWOptions _optimizer = options.OptimizerInUse;
    private readonly int _stepsPerEpoch = EpochSteps.Of(training.Count, options.BatchSize);
    private readonly int _atOnce = pairsAtOnce ?? options.BatchSize;
    private readonly EpochOrder _order = new(training.Count, seed);
    private double? _lastAccuracy;

    /// <summary>The updates of the whole run.</summary>
    public int MaxSteps => EpochSteps.Total(_stepsPerEpoch, options.Epochs, nameof(options.Epochs));

    /// <summary>Runs to the last epoch, to cancellation, or until early stopping ends it. The network then holds the weights that the options ask for.</summary>
    /// <param name="resumed">The state to continue from; null begins afresh.</param>
    /// <exception cref="TrainingDivergedException">The loss or the gradient was not finite too many times in a row.</exception>
    /// <exception cref="TrainingOutOfMemoryException">The memory is too small for the micro-batch.</exception>
    /// <exception cref="DiskFullException">There is no room for a checkpoint or a report; the last checkpoint is whole.</exception>
    public RunResult Run(TrainingCheckpoint? resumed)
    {
        // 1. Begin at the policy as it was, or continue where the last checkpoint stands.
        RunSettings settings = options.Settings(MaxSteps, _stepsPerEpoch, evaluates: validation.Count > 0);
        using var run = new TrainingRun(model, settings, folder, resumed, log);
        using var updates = new UpdateStep<PreferencePair[]>(run, _network, settings, seed, losses: 1, log, MetricNames)
        {
            Source = static outcome => BatchRows.Text("the rows", outcome.Batch.Select(static pair => pair.Row)),
            Documents = static outcome => BatchRows.Ranges(outcome.Batch.Select(static pair => pair.Row)),
        };
        try
        {
            if (run.State.Step == 0 && run.IsEvaluationDue) Evaluate(run);
            if (run.State.Step > run.State.ReportedStep) ReportIfDue(run);   // resumed from a cancellation during an evaluation
            while (run.GoesOn)
            {
                options.Run.CancellationToken.ThrowIfCancellationRequested();

                // 2. One update: the mean loss of some pairs.
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
    private void Update(TrainingRun run, UpdateStep<PreferencePair[]> updates)
    {
        PreferencePair[] pairs = [.. _order.Of(run.State.Step, options.BatchSize).Select(index => training[index])];
        using UpdateStep<PreferencePair[]>.Scope update = updates.Begin();
        Tensor loss = zeros([], ScalarType.Float32, _network.TorchDevice);
        List<Tensor> likelihoods = [], ratios = [];
        foreach (PreferencePair[] some in pairs.OrderByDescending(static pair => pair.Length).Chunk(_atOnce))
        {
            using UpdateStep<PreferencePair[]>.MicroBatch part = updates.Part(2 * some.Length, some.Max(static pair => pair.Length));
            (Tensor share, Tensor likelihood, Tensor ratio) = PreferencePass.Backward(_network, some, pairs.Length, options);
            loss.PlusInPlace(share);
            likelihoods.Add(likelihood.view(2, -1).MoveToOuterDisposeScope());
            ratios.Add(ratio.view(2, -1).MoveToOuterDisposeScope());
        }

        int places = pairs.Sum(static pair => pair.Places);
        run.State = run.State with { Tokens = run.State.Tokens + places };
        run.Meter.Count(places, pairs.Length, pairs.Sum(pair => (pair.Chosen.Length * run.Memory.FlopsPerToken(pair.Chosen.Length)) + (pair.Rejected.Length * run.Memory.FlopsPerToken(pair.Rejected.Length))));

        // Implied rewards: β·(log π − log π_ref) (Rafailov et al. 2023, equation 5).
        Tensor rewards = cat(ratios, 1).Times(options.Beta), logs = cat(likelihoods, 1).mean([1]);         // (2, P), (2)
        Tensor margins = rewards[0] - rewards[1], means = rewards.mean([1]);                               // (P), (2)
        Tensor right = margins.Above(0).to(ScalarType.Float32).Plus(margins.EqualTo(0).to(ScalarType.Float32).Times(0.5));
        updates.End(LearningRateSchedule.At(run.State.Step, _optimizer, MaxSteps), [new(loss, pairs.Length, pairs.Length)], pairs,
            [.. new[] { means[0], means[1], right.mean(), margins.mean(), logs[0], logs[1] }.Select(metric => new UpdateLoss(metric, pairs.Length, pairs.Length))]);
    }

    private void ReportIfDue(TrainingRun run)
    {
        if (run.IsEvaluationDue) run.Report(Evaluate(run), report => report with { ValidationAccuracy = _lastAccuracy });
        else if (run.IsReportDue) run.Report(null);
    }

    private double Evaluate(TrainingRun run)
    {
        double loss = run.Evaluate(() =>
        {
            PreferencePair[] pairs = [.. validation.Take(options.Evaluation.MaxRows ?? validation.Count)];
            run.Computes(2 * Math.Min(_atOnce, pairs.Length), pairs.Max(static pair => pair.Length));
            DirectPreferenceEvaluation evaluation = DirectPreferenceEvaluation.Of(_network, pairs, _atOnce, options, options.Run.CancellationToken);
            _lastAccuracy = evaluation.Metrics?.Accuracy;
            return evaluation.Loss;
        });
        if (run.State.Step == 0) log(FormattableString.Invariant($"step 0/{MaxSteps}  validation {loss:F4}"));
        return loss;
    }
}
