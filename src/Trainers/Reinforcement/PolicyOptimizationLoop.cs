using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Policy optimisation (Ouyang et al. 2022, section 3.5; GRPO: Shao et al. 2024, algorithm 1; RLOO: Ahmadian et al. 2024): the policy answers prompts, its responses are rewarded, and it is updated on them; then it answers the next ones. The
/// estimator prepares what it gets, and wraps what it leaves.
/// </summary>
internal sealed class PolicyOptimizationLoop(
    PolicyTrainedModel model, PolicyRollouts rollouts, RewardScorer rewards, IReadOnlyList<PolicyPrompt> prompts, IReadOnlyList<PolicyPrompt> validation, PackedRows? mix, PolicyOptimizationOptions options, int? rowsAtOnce, long seed, RunFolder? folder, Action<string> log)
{
    private readonly AdamWOptions _optimizer = options.OptimizerInUse;
    private readonly IReadOnlyList<string> _rolloutNames = PolicyMetrics.RolloutNames(options.Algorithm, rewards.Names);
    private long _firstEpisode;
    private Tensor? _measured;     // (M): the metrics of the rollout under way
    private IReadOnlyList<IReadOnlyList<RolloutRow>> _updates = [];

    /// <summary>The rollouts of the whole run.</summary>
    public int RolloutCount { get; } = options.RolloutCount(prompts.Count);

    /// <summary>The updates of the whole run.</summary>
    public int MaxSteps => RolloutCount * options.UpdatesPerRollout;

    /// <summary>Runs to the last rollout, to cancellation, or until early stopping or the limit of the KL ends it. The network then holds the weights that the options ask for.</summary>
    /// <param name="resumed">The state to continue from; null begins afresh.</param>
    /// <exception cref="PolicyRewardException">A reward could not be had; the last state is saved.</exception>
    /// <exception cref="TrainingDivergedException">The loss, the gradient or the policy's own logits were not finite too many times in a row.</exception>
    /// <exception cref="TrainingOutOfMemoryException">The memory is too small for the micro-batch.</exception>
    /// <exception cref="DiskFullException">There is no room for a checkpoint or a report; the last checkpoint is whole.</exception>
    public RunResult Run(TrainingCheckpoint? resumed)
    {
        // 1. Begin at the pretrained policy, or continue where the last checkpoint stands, in the middle of a rollout where that is.
        RunSettings settings = options.Settings(MaxSteps, Math.Max(1, (int)(rollouts.RolloutsPerEpoch * options.UpdatesPerRollout)), evaluates: validation.Count > 0);
        using var run = new TrainingRun(model, settings, folder, resumed, log);
        using var updates = new UpdateStep<IReadOnlyList<RolloutRow>>(run, model.Network, settings, seed, losses: 1, log, [.. PolicyMetrics.UpdateNames(options), .. _rolloutNames])
        {
            Source = outcome => BatchRows.Text("responses to the prompts of the rows", RowsOf(outcome.Batch)),
            Documents = outcome => BatchRows.Ranges(RowsOf(outcome.Batch)),
        };
        BatchOrder? order = mix is null ? null : new(mix, seed, run.State.Position);
        _firstEpisode = (long)run.State.Step / options.UpdatesPerRollout * options.RolloutSize;
        if (model.Value is { } critic) critic.Network.Training = true;
        if (resumed is not null && run.State.Step % options.UpdatesPerRollout > 0) model.Rollout = RolloutFile.Read(resumed.Checkpoint, new(model.Network.Config, prompts.Count, options.RolloutSize, _rolloutNames.Count, model.Value is not null));
        try
        {
            if (run.State.Step == 0 && run.IsEvaluationDue) Evaluate(run);
            if (run.State.Step > run.State.ReportedStep) ReportIfDue(run);   // resumed from a cancellation during an evaluation
            while (run.GoesOn && run.State.Policy is not { IsOverLimit: true })
            {
                options.Run.CancellationToken.ThrowIfCancellationRequested();

                // 2. Where the last rollout is used up: responses of the policy as it is now, with their rewards and advantages.
                if (run.State.Step % options.UpdatesPerRollout == 0)
                {
                    updates.Settle();
                    MakeRollout(run);
                    if (run.State.Policy!.IsOverLimit) break;
                }

                // 3. One update on some of them, and on some text.
                Update(run, updates, order);
                if (run.State.Step % options.UpdatesPerRollout == 0) model.Rollout = null;

                // 4. Report, evaluate and save when it is time.
                updates.SettleIfDue();
                ReportIfDue(run);
                if (run.IsSaveDue) run.Save();
            }

            if (run.State.Policy is { IsOverLimit: true } over) StopAtLimit(run, over);
        }
        catch (OperationCanceledException) when (options.Run.CancellationToken.IsCancellationRequested)
        {
            updates.Settle();
            run.Cancel(WithProgress);
        }
        catch (PolicyRewardException e)
        {
            updates.Settle();
            run.Save();
            e.LastCheckpoint = run.LastCheckpoint;
            throw;
        }
        catch (Exception e) when (OutOfMemory.Is(e, out _))
        {
            throw run.TooLarge(e);
        }
        finally
        {
            _measured?.Dispose();
            if (model.Value is { } value) value.Network.Training = false;
        }

        // 5. Leave the last state on disk and the weights that were asked for in the network.
        return run.Complete();
    }

    private void MakeRollout(TrainingRun run)
    {
        using RunMeter.Interval clock = run.Meter.Run();
        PolicyState before = run.State.Policy ?? new();
        run.Computes(Math.Min(options.Rollout.GenerationBatchSize, options.RolloutSize), prompts.Max(static prompt => prompt.Tokens.Length) + options.Rollout.MaxNewTokens - 1);
        try
        {
            (Rollout rollout, PolicyState after) = rollouts.Make(before);
            model.Rollout = after.IsOverLimit ? null : rollout;
            run.State = run.State with { Policy = after };
        }
        catch (NonFiniteLogitsException)
        {
            throw new TrainingDivergedException(run.State.Step + 1, Math.Max(1, run.State.SkippedInARow), "The policy computes NaN and can answer no prompt", BatchRows.Ranges(prompts.Select(static prompt => prompt.Row)), run.LastCheckpoint, run.BestCheckpoint);
        }
    }

    private void Update(TrainingRun run, UpdateStep<IReadOnlyList<RolloutRow>> updates, BatchOrder? order)
    {
        // a. Which responses: each inner epoch takes them in an order of its own.
        Rollout rollout = model.Rollout!;
        int place = run.State.Step % options.UpdatesPerRollout, epoch = place / options.Rollout.Minibatches, number = run.State.Policy!.Rollouts - 1;
        if (place % options.Rollout.Minibatches == 0 || _updates.Count == 0) _updates = rollouts.Updates(rollout.Rows, number, epoch);
        IReadOnlyList<RolloutRow> rows = _updates[place % options.Rollout.Minibatches];
        bool valueOnly = number < options.PpoInUse.ValueWarmupRollouts && options.Algorithm == PolicyAlgorithm.Ppo;
        run.Sets.Held = valueOnly ? model.PolicySets : [];                                                 // nor does weight decay move it
        using UpdateStep<IReadOnlyList<RolloutRow>>.Scope update = updates.Begin();
        Tensor loss = zeros([], ScalarType.Float32, model.Network.TorchDevice);
        Tensor? sums = null;

        // b. The clipped losses (Schulman et al. 2017, equations 7 and 9), in parts that fit the memory.
        foreach (IReadOnlyList<RolloutRow> some in rollouts.Parts(rows))
        {
            using UpdateStep<IReadOnlyList<RolloutRow>>.MicroBatch part = updates.Part(some.Count, some.Max(static row => row.Width));
            (Tensor partLoss, Tensor partSums) = PolicyUpdate.Backward(model, some, rows, rollout.KlCoefficient, valueOnly, options);
            loss.PlusInPlace(partLoss);
            sums = (sums is null ? partSums : sums.Plus(partSums)).MoveToOuterDisposeScope();
        }

        // c. γ·(the loss of some text): the pretraining mix (Ouyang et al. 2022, equation 2).
        List<Tensor> metrics = [.. PolicyUpdate.Metrics(sums!, options.Algorithm)];
        if (order is not null)
        {
            Tensor text = valueOnly ? zeros_like(loss) : Mix(updates, order);
            loss.PlusInPlace(text.Times(options.PretrainingMix!.Coefficient));
            metrics.Add(text);
            run.State = run.State with { Position = order.Position };
        }

        // d. The optimizer, and what becomes known.
        _measured ??= tensor(rollout.Metrics.Select(static value => (float)value).ToArray(), device: model.Network.TorchDevice).DetachFromDisposeScope();
        for (int i = 0; i < _rolloutNames.Count; i++) metrics.Add(_measured.select(0, i));
        long tokens = rows.Sum(static row => (long)row.Response.Length);
        run.State = run.State with { Tokens = run.State.Tokens + tokens };
        run.Meter.Count(tokens, rows.Count, rows.Sum(row => row.Width * run.Memory.FlopsPerToken(row.Width)));
        updates.End(LearningRateSchedule.At(run.State.Step, _optimizer, MaxSteps), [new(loss, 1, 1)], rows, [.. metrics.Select(static metric => new UpdateLoss(metric, 1, 1))]);
        if (place + 1 < options.UpdatesPerRollout) return;
        _measured.Dispose();
        _measured = null;
    }

    /// <summary>Accumulates γ·∂(mean loss of some packed rows).</summary>
    /// <returns>The mean loss, a scalar, nats a token.</returns>
    private Tensor Mix(UpdateStep<IReadOnlyList<RolloutRow>> updates, BatchOrder order)
    {
        (int count, int width) = (options.PretrainingMix!.BatchSize, mix!.ContextLength);
        var starts = new long[count];
        order.Next(starts);
        Tensor sum = zeros([], ScalarType.Float32, model.Network.TorchDevice);
        foreach (long[] some in starts.Chunk(rowsAtOnce ?? count))
        {
            using UpdateStep<IReadOnlyList<RolloutRow>>.MicroBatch part = updates.Part(some.Length, width);
            (long[] inputs, long[] targets) = (new long[some.Length * width], new long[some.Length * width]);
            for (int i = 0; i < some.Length; i++) mix.CopyRow(some[i], inputs.AsSpan(i * width, width), targets.AsSpan(i * width, width));
            Tensor hidden = model.Network.Hidden(HostCopy.To(model.Network.TorchDevice, inputs).view(some.Length, width));   // (N, C)
            sum.PlusInPlace(LanguageModelPass.Backward(model.Network, hidden, HostCopy.To(model.Network.TorchDevice, targets), options.PretrainingMix.Coefficient / ((double)count * width)));
        }

        return sum.Over((double)count * width);
    }

    private IEnumerable<long> RowsOf(IReadOnlyList<RolloutRow> rows) => rows.Select(row => prompts[row.Prompt].Row).Distinct();

    private void ReportIfDue(TrainingRun run)
    {
        if (run.IsEvaluationDue) run.Report(Evaluate(run), WithProgress);
        else if (run.IsReportDue) run.Report(null, WithProgress);
    }

    private TrainingProgress WithProgress(TrainingProgress report)
    {
        double episode = (((report.Step - 1) / options.UpdatesPerRollout) + 1.0) * options.RolloutSize;
        return report with
        {
            Metrics = new SortedDictionary<string, double>((report.Metrics ?? new Dictionary<string, double>()).ToDictionary(), StringComparer.Ordinal)
            {
                ["episode"] = episode,
                ["eps"] = (episode - _firstEpisode) / Math.Max(report.Elapsed.TotalSeconds, 1e-9),
                ["lr"] = report.LearningRate,
            },
        };
    }

    private double Evaluate(TrainingRun run)
    {
        double loss = run.Evaluate(() =>
        {
            PolicyPrompt[] some = [.. validation.Take(options.Evaluation.MaxRows ?? validation.Count)];
            run.Computes(Math.Min(options.Rollout.GenerationBatchSize, some.Length), some.Max(static prompt => prompt.Tokens.Length) + options.Rollout.MaxNewTokens - 1);
            try
            {
                return -rollouts.Objective(some);
            }
            catch (NonFiniteLogitsException)
            {
                return double.NaN;
            }
        });
        if (run.State.Step == 0) log(FormattableString.Invariant($"step 0/{MaxSteps}  validation {loss:F4}"));
        return loss;
    }

    private void StopAtLimit(TrainingRun run, PolicyState state)
    {
        log(FormattableString.Invariant($"Stopped after step {run.State.Step} of {MaxSteps}: the KL from the reference is {state.Kl:F3} nats a response, above Kl.Limit = {options.Kl.Limit}."));
        if (run.State.Step > run.State.ReportedStep) run.Report(null, WithProgress);
    }
}
