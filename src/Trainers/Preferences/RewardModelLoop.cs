using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Training of a reward model (Ouyang et al. 2022, section 3.5): an update takes some prompts, computes each of their responses once, and compares all pairs of a prompt's.
/// The estimator prepares what it gets, and wraps what it leaves.
/// </summary>
internal sealed class RewardModelLoop(
    RewardTrainedModel model, IReadOnlyList<RankedGroup> training, IReadOnlyList<RankedGroup> validation, RewardModelOptions options, int? promptsAtOnce, long seed, RunFolder? folder, Action<string> log)
{
    /// <summary>What reports tell of the updates since the last one, under TRL's names.</summary>
    internal static readonly string[] MetricNames = ["accuracy", "margin", "min_reward", "mean_reward", "max_reward"];

    private readonly AdamWOptions _optimizer = options.OptimizerInUse;
    private readonly int _stepsPerEpoch = EpochSteps.Of(training.Count, options.BatchSize);
    private readonly int _atOnce = promptsAtOnce ?? options.BatchSize;
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
        // 1. Begin at the pretrained weights, or continue where the last checkpoint stands.
        RunSettings settings = options.Settings(MaxSteps, _stepsPerEpoch, evaluates: validation.Count > 0);
        using var run = new TrainingRun(model, settings, folder, resumed, log);
        using var updates = new UpdateStep<RankedGroup[]>(run, model.Network, settings, seed, losses: 1, log, MetricNames)
        {
            Source = static outcome => BatchRows.Text("the prompts of the rows", outcome.Batch.Select(static g => g.Row)),
            Documents = static outcome => BatchRows.Ranges(outcome.Batch.Select(static g => g.Row)),
        };
        try
        {
            if (run.State.Step == 0 && run.IsEvaluationDue) Evaluate(run);
            if (run.State.Step > run.State.ReportedStep) ReportIfDue(run);   // resumed from a cancellation during an evaluation
            while (run.GoesOn)
            {
                options.Run.CancellationToken.ThrowIfCancellationRequested();

                // 2. One update: all pairs of each prompt's responses.
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

    /// <summary>Forward and backward of some prompts: the loss's gradient is accumulated into that of all that is trained.</summary>
    /// <param name="network">The network.</param>
    /// <param name="groups">The prompts.</param>
    /// <param name="promptsOfUpdate">The prompts of the whole update.</param>
    /// <param name="options">Margin and centering.</param>
    /// <returns>Without gradients: the loss, a scalar, as its share of the update's; r⁺ − r⁻ of each pair (P); the rewards (R).</returns>
    internal static (Tensor Loss, Tensor Differences, Tensor Rewards) Backward(RewardNetwork network, IReadOnlyList<RankedGroup> groups, int promptsOfUpdate, RewardModelOptions options)
    {
        using var scope = NewDisposeScope();
        var batch = new RewardBatch([.. groups.SelectMany(static group => group.Responses).Select(static response => response.Sequence)], network.Config, network.Network.TorchDevice);
        Tensor hidden = network.Hidden(batch);                                                             // (R·T, C)
        Tensor leaf = hidden.requires_grad ? hidden.detach().requires_grad_() : hidden;
        Tensor rewards = network.Rewards(leaf.index_select(0, batch.Last));                                // (R)
        RewardLossResult result = RewardLoss.Of(rewards, ResponsePairs.Of([.. groups.Select(static group => group.Grades)], promptsOfUpdate), options.Margin, options.Centering);
        result.Loss.backward();
        if (hidden.requires_grad) BackwardPass.Run(hidden, leaf.grad!);                                    // else nothing before them is trained
        return (result.Loss.detach().MoveToOuterDisposeScope(), result.Differences.MoveToOuterDisposeScope(), rewards.detach().MoveToOuterDisposeScope());
    }

    private void Update(TrainingRun run, UpdateStep<RankedGroup[]> updates)
    {
        RankedGroup[] groups = [.. _order.Of(run.State.Step, options.BatchSize).Select(index => training[index])];
        using UpdateStep<RankedGroup[]>.Scope update = updates.Begin();
        Tensor loss = zeros([], ScalarType.Float32, model.Network.TorchDevice);
        List<Tensor> differences = [], rewards = [];
        foreach (RankedGroup[] some in groups.OrderByDescending(static group => group.Width).Chunk(_atOnce))
        {
            using UpdateStep<RankedGroup[]>.MicroBatch part = updates.Part(some.Sum(static group => group.Responses.Length), some.Max(static group => group.Width));
            (Tensor sum, Tensor difference, Tensor reward) = Backward(model.Reward, some, groups.Length, options);
            loss.PlusInPlace(sum);
            differences.Add(difference.MoveToOuterDisposeScope());
            rewards.Add(reward.MoveToOuterDisposeScope());
        }

        RankedResponse[] responses = [.. groups.SelectMany(static group => group.Responses)];
        long tokens = responses.Sum(static response => (long)response.Sequence.Length);
        run.State = run.State with { Tokens = run.State.Tokens + tokens };
        run.Meter.Count(tokens, groups.Length, responses.Sum(response => response.Sequence.Length * run.Memory.FlopsPerToken(response.Sequence.Length)));
        Tensor all = cat(differences, 0), values = cat(rewards, 0);                                        // (P), (R)
        Tensor right = all.Above(0).to(ScalarType.Float32).Plus(all.EqualTo(0).to(ScalarType.Float32).Times(0.5));
        updates.End(LearningRateSchedule.At(run.State.Step, _optimizer, MaxSteps), [new(loss, groups.Length, groups.Length)], groups,
            [
                new(right.sum(), 1, all.numel()), new(all.sum(), 1, all.numel()),                          // means over the pairs
                new(values.min(), 1, 1), new(values.sum(), 1, responses.Length), new(values.max(), 1, 1),
            ]);
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
            RankedGroup[] groups = [.. validation.Take(options.Evaluation.MaxRows ?? validation.Count)];
            run.Computes(Math.Min(_atOnce, groups.Length) * groups.Max(static g => g.Responses.Length), groups.Max(static g => g.Width));
            RewardEvaluation evaluation = RewardEvaluation.Of(model.Reward, groups, _atOnce, options.Run.CancellationToken);
            _lastAccuracy = evaluation.Metrics?.Accuracy;
            return evaluation.Loss;
        });
        if (run.State.Step == 0) log(FormattableString.Invariant($"step 0/{MaxSteps}  validation {loss:F4}  accuracy {100 * _lastAccuracy:F1} %"));
        return loss;
    }
}
