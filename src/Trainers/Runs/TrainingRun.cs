using System.Diagnostics;

namespace MLNet.Gpt;

/// <summary>
/// A run under way: what it trains, where it stands, what is due, and what it leaves. The loops hold what is particular to a method; this is what they have in
/// common.
/// </summary>
internal sealed class TrainingRun : IDisposable
{
    private readonly ITrainedModel _model;
    private readonly RunSettings _settings;
    private readonly RunFolder? _folder;
    private readonly Action<string> _log;
    private readonly KeptWeights? _best;
    private readonly RunMetrics _metrics;
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    // An evaluation before the first update comes once: it tells nothing of the time that is left.
    private TimeSpan _updatesBegan;
    private readonly int _firstStep;
    private double _peakFlops;
    private bool _peakMeasuredAgain;
    private (int Rows, int Length) _underWay;
    private bool _cancelled;

    /// <summary>Begins a run, or continues one where its checkpoint stands.</summary>
    /// <param name="model">What is trained; a resumed run puts the checkpoint's numbers into it.</param>
    /// <param name="settings">How.</param>
    /// <param name="folder">Where checkpoints and metrics go; null for nowhere.</param>
    /// <param name="resumed">The state to continue from; null begins afresh.</param>
    /// <param name="log">Is told what happens.</param>
    /// <exception cref="GptException">The checkpoint can't be read.</exception>
    public TrainingRun(ITrainedModel model, RunSettings settings, RunFolder? folder, TrainingCheckpoint? resumed, Action<string> log)
    {
        (_model, _settings, _folder, _log) = (model, settings, folder, log);
        Memory = TrainingMemory.Of(model, settings.Run);
        Sets = new(model.Sets, settings.Optimizer);
        Average = settings.Run.AverageDecay > 0 ? new(model.Sets, settings.Run.AverageDecay) : null;
        _best = settings.ReturnBest && settings.EvaluationInterval > 0 ? new(model.Sets) : null;
        try
        {
            if (resumed is not null) Resume(resumed);
            _firstStep = State.Step;
            _peakFlops = settings.Run.PeakFlops ?? DevicePeak.Measure(model.Network.Device, model.Network.Precision);
            _metrics = new(folder?.Path, resumed is null ? null : State, settings.Run.TensorBoard, settings.LossAxis, log, settings.Run.Progress);
        }
        catch
        {
            Free();
            throw;
        }

        model.Network.Training = true;
    }

    /// <summary>Where the run stands.</summary>
    public RunState State { get; set; } = new();

    /// <summary>What is trained, with its optimizer.</summary>
    public TrainableSets Sets { get; }

    /// <summary>The average of the weights; null for none.</summary>
    public AveragedWeights? Average { get; }

    /// <summary>What the memory depends on.</summary>
    public TrainingMemory Memory { get; }

    /// <summary>The speed since the last report.</summary>
    public RunMeter Meter { get; } = new();

    /// <summary>Whether early stopping ends the run.</summary>
    public bool StopsEarly => _settings.EarlyStoppingPatience > 0 && State.EvaluationsSinceBest >= _settings.EarlyStoppingPatience;

    /// <summary>Whether updates are to be made yet.</summary>
    public bool GoesOn => State.Step < _settings.MaxSteps && !StopsEarly;

    /// <summary>The newest checkpoint that the run wrote or began from; null where there is none.</summary>
    public string? LastCheckpoint => _folder?.LastWritten;

    /// <summary>The checkpoint of the lowest validation loss; null where there is none.</summary>
    public string? BestCheckpoint => _folder is null || State.BestValidationLoss is null ? null : RunCheckpoints.FindBest(_folder.Path);

    /// <summary>Whether an evaluation is due at this step and has not been made.</summary>
    public bool IsEvaluationDue => _settings.EvaluationInterval > 0 && State.EvaluatedStep < State.Step && (State.Step == _settings.MaxSteps || State.Step % _settings.EvaluationInterval == 0);

    /// <summary>Whether a report is due at this step, be there an evaluation or not.</summary>
    public bool IsReportDue => State.Step == _settings.MaxSteps || State.Step % _settings.Run.LogInterval == 0;

    /// <summary>Whether a checkpoint is due at this step.</summary>
    public bool IsSaveDue => _folder is not null && State.Step < _settings.MaxSteps && _settings.Run.CheckpointInterval > 0 && State.Step % _settings.Run.CheckpointInterval == 0;

    /// <summary>Notes what is computed next, which the error names if the memory is too small for it.</summary>
    /// <param name="rows">Rows at once.</param>
    /// <param name="length">Tokens of the longest.</param>
    public void Computes(int rows, int length) => _underWay = (rows, length);

    /// <summary>The error that names what was computed when the memory ran out.</summary>
    public TrainingOutOfMemoryException TooLarge(Exception cause) => Memory.TooSmall(_underWay.Rows, _underWay.Length, cause, lastCheckpoint: LastCheckpoint);

    /// <summary>Evaluates the averages where there are any, else the weights; keeps the best. A loss that is not finite is never the best: it counts as an evaluation without improvement.</summary>
    /// <param name="evaluate">Gives the validation loss.</param>
    public double Evaluate(Func<double> evaluate)
    {
        Average?.Exchange();
        try
        {
            double loss = evaluate();
            bool finite = double.IsFinite(loss), better = finite && !(loss >= State.BestValidationLoss);
            if (!finite) _log($"Step {State.Step}: the validation loss is not finite. {(State.BestValidationLoss is null ? "No evaluation has been finite yet." : $"The best weights stay those of step {State.BestStep}.")}");

            // A killed run may have left a best evaluation that this one has not come to yet: it counts from when it was made.
            bool best = better || (State.BestValidationLoss is not null && State.Step <= State.BestStep);
            State = State with { ValidationLoss = loss, EvaluatedStep = State.Step, EvaluationsSinceBest = best ? 0 : State.EvaluationsSinceBest + 1 };
            if (!better) return loss;
            State = State with { BestValidationLoss = loss, BestStep = State.Step };
            _best?.Keep();
            _folder?.WriteBest(_model, State);
            return loss;
        }
        finally
        {
            Average?.Exchange();
            if (State.Step == _firstStep) _updatesBegan = _clock.Elapsed;
        }
    }

    /// <summary>The estimated time left: as much for each update to come as for those so far.</summary>
    /// <param name="elapsed">The time so far.</param>
    /// <param name="done">The share of the updates that took it, 0 to 1.</param>
    /// <returns>0 before the first update; at most <see cref="TimeSpan.MaxValue"/>.</returns>
    public static TimeSpan RemainingOf(TimeSpan elapsed, double done)
    {
        if (done <= 0) return TimeSpan.Zero;
        double ticks = elapsed.Ticks * ((1 - done) / done);
        return ticks < TimeSpan.MaxValue.Ticks ? TimeSpan.FromTicks((long)ticks) : TimeSpan.MaxValue;
    }

    /// <summary>Hands out a report, and begins to count anew.</summary>
    /// <param name="validationLoss">The validation loss where there was an evaluation.</param>
    /// <param name="add">Adds what the shared parts don't know; null for nothing.</param>
    public void Report(double? validationLoss, Func<TrainingProgress, TrainingProgress>? add = null)
    {
        RunState state = State;
        TimeSpan elapsed = _clock.Elapsed;
        double done = (double)(state.Step - _firstStep) / Math.Max(1, _settings.MaxSteps - _firstStep), loss = state.LossWeight > 0 ? state.LossSum / state.LossWeight : double.NaN;
        double? validation = validationLoss is { } v && double.IsFinite(v) ? v : null;
        var report = new TrainingProgress(state.Step, _settings.MaxSteps, state.Tokens, loss, state.LearningRate, state.GradientNorm, Meter.TokensPerSecond, validation,
            elapsed, RemainingOf(elapsed - _updatesBegan, done))
        {
            Perplexity = _settings.IsLanguageModel ? Math.Exp(validation ?? loss) : null,
            AuxiliaryLoss = state.AuxiliaryLossWeight > 0 ? state.AuxiliaryLossSum / state.AuxiliaryLossWeight : null,
            ExamplesPerSecond = Meter.ExamplesPerSecond,
            ModelFlopsUtilization = Utilization(),
            PeakMemoryBytes = _model.Network.Device.IsCuda ? null : AvailableMemory.PeakBytes(),
            Updates = state.Step - state.ReportedStep,
            LossSpikes = state.LossSpikes,
            SkippedUpdates = state.SkippedUpdates,
            StepTimes = Meter.TakeStepTimes(),
            Metrics = MetricSum.Means(state.Metrics),
        };
        _metrics.Add(add?.Invoke(report) ?? report);
        State = state with { LossSum = 0, LossWeight = 0, AuxiliaryLossSum = 0, AuxiliaryLossWeight = 0, Metrics = new Dictionary<string, MetricSum>(), LossSpikes = 0, ReportedStep = state.Step };
        Meter.Reset();
    }

    /// <summary>The share of the peak that the updates since the last report reach. A peak that was measured, and that a run exceeds, was none: it is measured once more, and no share of it is told where that does not help.</summary>
    private double? Utilization()
    {
        double rate = Meter.FlopsPerSecond;
        if (_peakFlops <= 0) return null;
        if (_settings.Run.PeakFlops is null && rate > _peakFlops)
        {
            if (!_peakMeasuredAgain)
            {
                _peakMeasuredAgain = true;
                _peakFlops = DevicePeak.MeasureAgain(_model.Network.Device, _model.Network.Precision);
                if (rate > _peakFlops) _log(FormattableString.Invariant($"Step {State.Step}: the updates reach {rate:E2} FLOP/s, more than the {_peakFlops:E2} that were measured as the device's rate; no MFU is reported where it would be above 100 %. Set Run.{nameof(RunOptions.PeakFlops)} to the device's own."));
            }

            if (rate > _peakFlops) return null;
        }

        return rate / _peakFlops;
    }

    /// <summary>Writes a checkpoint of the last state.</summary>
    /// <exception cref="DiskFullException">There is no room; the checkpoint before is whole.</exception>
    public void Save()
    {
        if (_folder is null) return;
        Average?.Exchange();
        try
        {
            _folder.WriteLast(_model, Sets, Average, State);
        }
        finally
        {
            Average?.Exchange();
        }
    }

    /// <summary>Ends a cancelled run.</summary>
    /// <param name="add">As for <see cref="Report"/>.</param>
    public void Cancel(Func<TrainingProgress, TrainingProgress>? add = null)
    {
        _cancelled = true;
        _log($"Cancelled after step {State.Step} of {_settings.MaxSteps}; the model is kept as far as it got.");
        if (State.Step <= State.ReportedStep) return;

        // What is reported now is reported again, in its place, if the run is resumed.
        RunState unfinished = State;
        Report(null, add);
        State = unfinished;
    }

    /// <summary>Leaves the last state on the disk and the weights that were asked for in the model.</summary>
    /// <returns>What became of it.</returns>
    public RunResult Complete()
    {
        _model.Network.Training = false;
        if (StopsEarly) _log($"Stopped early after step {State.Step} of {_settings.MaxSteps}: no {(State.BestValidationLoss is null ? "finite validation loss" : $"lower validation loss than step {State.BestStep}'s")} in {State.EvaluationsSinceBest} evaluations.");
        Save();
        _metrics.Complete();
        bool best = _best is { HasAny: true };
        if (best) _best!.Restore();
        else Average?.Exchange();
        return new(State, _metrics.Reports, StopsEarly, _cancelled, best, LastCheckpoint, BestCheckpoint);
    }

    public void Dispose()
    {
        _metrics.Dispose();
        Free();
    }

    private void Free()
    {
        _best?.Dispose();
        Average?.Dispose();
        Sets.Dispose();
    }

    private void Resume(TrainingCheckpoint resumed)
    {
        State = resumed.State;
        if (State.BestValidationLoss is { } loss && !double.IsFinite(loss)) State = State with { BestValidationLoss = null, BestStep = 0 };   // runs once kept such a loss as the best
        string best = _folder!.BestCheckpoint;
        AtomicFolder.Recover(best);
        if (Directory.Exists(best))
        {
            // A killed run may have evaluated, and kept the best weights, after its last checkpoint.
            if (BestRecord.Read(best) is { } record) State = State with { BestStep = record.Step, BestValidationLoss = record.ValidationLoss };
            if (_best is not null && State.BestValidationLoss is not null)
            {
                _model.Read(best);
                _best.Keep();
            }
        }

        _model.Read(resumed.Checkpoint);
        Average?.Reset();
        resumed.Restore(Sets, Average is null ? null : [.. _model.Sets.Select(static set => set.Master)]);
        foreach (FlatParameters set in _model.Sets) set.RefreshWorkingCopy();
    }
}
