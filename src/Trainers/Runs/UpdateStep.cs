using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// What every update has in common: its random numbers, micro-batches whose gradients add up, the gradient's norm, the decision whether it is finite, the
/// optimizer, the average, and what becomes known of it.
/// </summary>
/// <remarks>
/// On a GPU no update waits for the device: losses and norms stay there, the optimizer itself leaves out an update that is not finite, and
/// <see cref="Settle"/> reads what happened before anything depends on it: a report, an evaluation, a checkpoint. On a CPU each update is known before the next.
/// </remarks>
/// <typeparam name="TBatch">What a loop notes of an update's batch.</typeparam>
internal sealed class UpdateStep<TBatch> : IDisposable
{
    /// <summary>Updates that a device may be ahead of what is known of it.</summary>
    private const int MostPending = 1_024;

    private readonly TrainingRun _run;
    private readonly RunSettings _settings;
    private readonly StepLedger<TBatch> _ledger;
    private readonly StepTimer _timer;
    private readonly long _seed;
    private readonly bool _immediate;
    private readonly Action<string> _log;
    private readonly IReadOnlyList<string> _metrics;
    private ulong _parts;

    /// <summary>Prepares a run's updates.</summary>
    /// <param name="run">The run.</param>
    /// <param name="network">The network.</param>
    /// <param name="settings">The run's settings.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="losses">Losses of an update: 1, or 2 with an auxiliary one.</param>
    /// <param name="log">Is told of skipped updates and spikes.</param>
    /// <param name="metrics">The names of what is measured of an update besides, under which reports tell its means; null for none.</param>
    public UpdateStep(TrainingRun run, GptNetwork network, RunSettings settings, long seed, int losses, Action<string> log, IReadOnlyList<string>? metrics = null)
    {
        (_run, _settings, _seed, _log, _metrics) = (run, settings, seed, log, metrics ?? []);
        _immediate = settings.Run.ImmediateUpdates ?? !network.Device.IsCuda;
        _ledger = new(losses, _immediate ? 1 : Math.Min(MostPending, settings.Run.LogInterval), network.TorchDevice, _metrics.Count);
        _timer = new(settings.Run.MeasureStepTimes, network.TorchDevice);
        run.Meter.Timer = _timer;
    }

    /// <summary>What a batch came from, for the log: "The batch came from documents 3 to 5".</summary>
    public required Func<StepOutcome<TBatch>, string> Source { get; init; }

    /// <summary>The documents, or rows, that a batch came from, for the exception.</summary>
    public required Func<StepOutcome<TBatch>, IReadOnlyList<DocumentRange>> Documents { get; init; }

    /// <summary>Begins an update.</summary>
    /// <returns>To be disposed when the update is over; tensors made meanwhile go with it.</returns>
    public Scope Begin()
    {
        RunMeter.Interval clock = _run.Meter.Run();
        _timer.Begin();
        _parts = 0;
        return new(NewDisposeScope(), clock, _timer);
    }

    /// <summary>Begins a micro-batch: dropout draws from the seed, the step and the micro-batch's number alone, so that a resumed run draws what the first would have drawn.</summary>
    /// <param name="rows">Its rows.</param>
    /// <param name="length">Tokens of the longest.</param>
    /// <returns>To be disposed when its backward pass is over: its gradient is added to the others, and its tensors go.</returns>
    public MicroBatch Part(int rows, int length)
    {
        _run.Computes(rows, length);
        ulong step = unchecked((ulong)((_seed * 6_364_136_223_846_793_005) + _run.State.Step));
        _timer.Skip();
        return new(NewDisposeScope(), _run.Sets, _timer, DropoutDraws.Begin(RandomBits.Mix(step ^ RandomBits.Mix(_parts++))));
    }

    /// <summary>Makes the update, or has the device decide whether to.</summary>
    /// <param name="rate">The learning rate.</param>
    /// <param name="losses">The losses of the batch, as many as were announced.</param>
    /// <param name="batch">What is to be known of the batch.</param>
    /// <param name="metrics">What was measured besides, in the order of the names; null where nothing was announced.</param>
    public void End(double rate, IReadOnlyList<UpdateLoss> losses, TBatch batch, IReadOnlyList<UpdateLoss>? metrics = null)
    {
        Tensor norm = _run.Sets.GradientNorm();
        _ledger.Add(_run.State.Step, losses, norm, batch, metrics);
        _run.State = _run.State with { Step = _run.State.Step + 1, LearningRate = rate };
        if (_immediate)
        {
            Conclude(() => _run.Sets.Step(rate, norm));
        }
        else
        {
            Tensor total = losses.Skip(1).Aggregate(losses[0].Sum, static (sum, loss) => sum.Plus(loss.Sum));
            _run.Sets.StepIfFinite(rate, norm, total);
        }

        _run.Sets.ZeroGradient();
        _run.Average?.Update(_run.State.Step);
        _timer.Done(StepPart.Optimizer);
    }

    /// <summary>Reads how the updates went that are not known yet where something is due that depends on them.</summary>
    public void SettleIfDue()
    {
        if (_ledger.IsFull || _run.IsSaveDue || _run.IsReportDue || _run.IsEvaluationDue) Settle();
    }

    /// <summary>Reads how the updates went that are not known yet, and draws the conclusions.</summary>
    /// <exception cref="TrainingDivergedException">Too many in a row were not finite.</exception>
    public void Settle() => Conclude(null);

    public void Dispose() => _ledger.Dispose();

    /// <param name="update">Makes the one update that has waited for this; null where the device has decided on them itself.</param>
    private void Conclude(Action? update)
    {
        IReadOnlyList<StepOutcome<TBatch>> outcomes;
        using (_run.Meter.Run()) outcomes = _ledger.Read();   // the device works on the updates until they can be read
        if (update is null)
        {
            _run.Sets.Confirm(outcomes.Count(static outcome => outcome.IsFinite));
        }

        foreach (StepOutcome<TBatch> outcome in outcomes)
        {
            _run.State = _run.State with { GradientNorm = outcome.GradientNorm };
            if (!outcome.IsFinite)
            {
                Skip(outcome);
                continue;
            }

            update?.Invoke();
            Watch(outcome);
            RunState state = _run.State;
            (double Sum, double Weight) auxiliary = outcome.Losses.Count > 1 ? outcome.Losses[1] : default;
            _run.State = state with
            {
                LossSum = state.LossSum + outcome.Losses[0].Sum,
                LossWeight = state.LossWeight + outcome.Losses[0].Weight,
                AuxiliaryLossSum = state.AuxiliaryLossSum + auxiliary.Sum,
                AuxiliaryLossWeight = state.AuxiliaryLossWeight + auxiliary.Weight,
                SkippedInARow = 0,
                Metrics = _metrics.Count == 0 ? state.Metrics : MetricSum.Add(state.Metrics, _metrics, outcome.Metrics),
            };
        }
    }

    private void Skip(StepOutcome<TBatch> outcome)
    {
        _run.State = _run.State with { SkippedUpdates = _run.State.SkippedUpdates + 1, SkippedInARow = _run.State.SkippedInARow + 1 };
        _log($"Step {outcome.Step + 1}: the loss or the gradient is not finite; the update is skipped. {Source(outcome)}.");
        if (_run.State.SkippedInARow > _settings.Run.MaxSkippedUpdates)
            throw new TrainingDivergedException(outcome.Step + 1, _run.State.SkippedInARow, Source(outcome), Documents(outcome), _run.LastCheckpoint, _run.BestCheckpoint);
    }

    /// <summary>Warns of a loss that stands out.</summary>
    private void Watch(StepOutcome<TBatch> outcome)
    {
        if (_settings.Run.LossSpikeDeviations == 0 || !double.IsFinite(outcome.Loss)) return;
        RunState state = _run.State;
        if (LossSpikes.DeviationsAbove(state.RecentLosses, outcome.Loss) is { } deviations && deviations > _settings.Run.LossSpikeDeviations)
        {
            state = state with { LossSpikes = state.LossSpikes + 1 };
            _log(FormattableString.Invariant($"Step {outcome.Step + 1}: the loss {outcome.Loss:F4} is a spike, {deviations:F1} deviations above the mean {state.RecentLosses.Average():F4} of the last {state.RecentLosses.Count} updates. {Source(outcome)}."));
        }

        _run.State = state with { RecentLosses = LossSpikes.With(state.RecentLosses, outcome.Loss) };
    }

    /// <summary>An update under way.</summary>
    public readonly struct Scope(DisposeScope tensors, RunMeter.Interval clock, StepTimer timer) : IDisposable
    {
        public void Dispose()
        {
            tensors.Dispose();
            timer.End();
            clock.Dispose();
        }
    }

    /// <summary>A micro-batch under way.</summary>
    public readonly struct MicroBatch(DisposeScope tensors, TrainableSets sets, StepTimer timer, DropoutDraws.Sequence draws) : IDisposable
    {
        /// <summary>What came since the beginning or the last call was this part.</summary>
        public void Done(StepPart part) => timer.Done(part);

        public void Dispose()
        {
            draws.Dispose();
            sets.CollectGradient();
            timer.Done(StepPart.Backward);
            tensors.Dispose();
        }
    }
}
