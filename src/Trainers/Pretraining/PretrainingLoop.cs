using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Pretraining: next-token prediction over packed rows (Radford et al. 2018, section 3.1; Brown et al. 2020, section 2.3 and
/// appendix B). The estimator prepares what it gets, and wraps what it leaves.
/// </summary>
/// <remarks>
/// On a GPU no update waits for the device: losses and norms stay there, the optimizer itself leaves out an update that is not finite, and
/// <see cref="Settle"/> reads what happened before anything depends on it: a report, an evaluation, a checkpoint.
/// </remarks>
internal sealed class PretrainingLoop(GptNetwork network, PackedRows training, PackedRows? validation, LanguageModelOptions options, long seed, RunFolder? folder, Action<string> log, TrainingPlan? plan = null)
{
    /// <summary>Updates that a device may be ahead of what is known of it.</summary>
    private const int MostPending = 1_024;

    private readonly TrainingPlan _plan = plan ?? TrainingPlan.Of(options);
    private readonly List<TrainingProgress> _history = [];
    private readonly Stopwatch _clock = new();
    private readonly Stopwatch _stepClock = new();
    private readonly StepTimer _timer = new(options.MeasureStepTimes, network.TorchDevice);
    private TrainingState _state = new();
    private TensorBoardLog? _tensorBoard;
    private int _firstStep;
    private int _timedSteps;       // updates that _stepClock has timed since the last report
    private double _peakFlops;

    /// <summary>Whether each update is known before the next: so on a CPU.</summary>
    public bool Immediate { get; init; } = !network.Device.IsCuda;

    /// <summary>UTF-8 bytes that a predicted token of the validation rows stands for, on average; null where that is not known.</summary>
    public double? BytesPerToken { get; init; }

    /// <summary>For tests: called before each update's computation.</summary>
    internal Action<int>? StepStarting { get; init; }

    /// <summary>Runs to the last step or to cancellation. The network then holds the weights that the options ask for.</summary>
    /// <param name="resumed">The state to continue from, whose weights the network holds; null begins afresh.</param>
    /// <exception cref="TrainingDivergedException">The loss or the gradient was not finite too many times in a row.</exception>
    /// <exception cref="TrainingOutOfMemoryException">The memory is too small for the micro-batch.</exception>
    /// <exception cref="DiskFullException">There is no room for a checkpoint or a report; the last checkpoint is whole.</exception>
    public PretrainingResult Run(TrainingCheckpoint? resumed)
    {
        // 1. Begin, or continue where the last checkpoint stands.
        using var optimizer = new AdamW(network.Parameters, options.Optimizer);
        using WeightAverage? average = options.AverageDecay > 0 ? new(network, options.AverageDecay) : null;
        using BestWeights? best = options.ReturnBest && validation is not null && options.EvaluationInterval > 0 ? new() : null;
        if (resumed is not null) Resume(resumed, optimizer, average, best);
        else folder?.Metrics.Clear();
        _firstStep = _state.Step;
        _peakFlops = options.PeakFlops ?? DevicePeak.Measure(network.Device, network.Precision);
        using TensorBoardLog? tensorBoard = _tensorBoard = options.TensorBoard ? new(folder!.TensorBoardFolder, _state.Step) : null;
        using var loader = new BatchLoader(training, _plan, seed, _state);
        using var ledger = new StepLedger(Immediate ? 1 : Math.Min(MostPending, options.LogInterval), network.TorchDevice);
        network.Training = true;
        _clock.Start();
        bool cancelled = false;
        try
        {
            if (_state.Step == 0 && options.EvaluationInterval > 0) Evaluate(average, best);
            if (_state.Step > _state.ReportedStep) ReportIfDue(average, best);   // resumed from a cancellation during an evaluation
            while (_state.Step < options.MaxSteps)
            {
                options.CancellationToken.ThrowIfCancellationRequested();

                // 2. One update.
                Update(optimizer, average, loader, ledger);

                // 3. Report, evaluate and save when it is time.
                bool save = folder is not null && _state.Step < options.MaxSteps && options.CheckpointInterval > 0 && _state.Step % options.CheckpointInterval == 0;
                if (ledger.IsFull || save || IsReportDue || IsEvaluationDue) Settle(optimizer, ledger);
                ReportIfDue(average, best);
                if (save) folder!.WriteLast(network, optimizer, average, _state);
            }
        }
        catch (OperationCanceledException) when (options.CancellationToken.IsCancellationRequested)
        {
            cancelled = true;
            Settle(optimizer, ledger);
            log($"Cancelled after step {_state.Step} of {options.MaxSteps}; the model is kept as far as it got.");
            if (_state.Step > _state.ReportedStep)
            {
                // What is reported now is reported again, in its place, if the run is resumed.
                TrainingState unfinished = _state;
                Report(null);
                _state = unfinished;
            }
        }

        // 4. Leave the last state on disk and the weights that were asked for in the network.
        network.Training = false;
        folder?.WriteLast(network, optimizer, average, _state);
        folder?.Metrics.Draw(_history);
        if (best is { HasAny: true }) best.Restore(network);
        else average?.Exchange();
        return new(_history, _state.Step, _history.Count > 0 ? _history[^1].Loss : double.NaN, _state.ValidationLoss, _state.BestValidationLoss, _state.BestStep, cancelled, _state.SkippedUpdates)
        {
            LastCheckpoint = folder?.LastWritten,
            BestCheckpoint = folder is null ? null : RunCheckpoints.FindBest(folder.Path),
        };
    }

    private bool IsEvaluationDue => options.EvaluationInterval > 0 && (_state.Step == options.MaxSteps || _state.Step % options.EvaluationInterval == 0);

    private bool IsReportDue => _state.Step == options.MaxSteps || _state.Step % options.LogInterval == 0;

    private void Resume(TrainingCheckpoint resumed, AdamW optimizer, WeightAverage? average, BestWeights? best)
    {
        _state = resumed.Restore(optimizer, network, average);
        _history.AddRange(folder!.Metrics.Resume(_state));

        // A killed run may have evaluated, and kept the best weights, after its last checkpoint.
        AtomicFolder.Recover(folder.BestCheckpoint);
        if (BestRecord.Read(folder.BestCheckpoint) is { } record) _state = _state with { BestStep = record.Step, BestValidationLoss = record.ValidationLoss };
        best?.Load(network, folder.BestCheckpoint);
    }

    private void ReportIfDue(WeightAverage? average, BestWeights? best)
    {
        double? validationLoss = IsEvaluationDue ? Evaluate(average, best) : null;
        if (validationLoss is not null || IsReportDue) Report(validationLoss);
    }

    /// <summary>Forward and backward over the micro-batches of a step, then the optimizer.</summary>
    private void Update(AdamW optimizer, WeightAverage? average, BatchLoader loader, StepLedger ledger)
    {
        _stepClock.Start();
        _timer.Begin();
        using var scope = NewDisposeScope();
        PlannedStage stage = _plan.StageOf(_state.Step);
        double scale = 1.0 / stage.TokensPerStep;
        double rate = LearningRateSchedule.At(_state.Step, options.Optimizer, options.MaxSteps);
        var starts = new List<long>(stage.BatchSize);
        try
        {
            StepStarting?.Invoke(_state.Step);
            SeedDropout(_state.Step);
            Tensor loss = zeros([], ScalarType.Float32, network.TorchDevice);
            for (int done = 0; done < stage.BatchSize; done += stage.MicroBatchSize)
            {
                using var microScope = NewDisposeScope();
                _timer.Skip();
                TrainingBatch batch = loader.Next();
                (Tensor ids, Tensor targets) = batch.To(network.TorchDevice);
                _timer.Done(StepPart.Data);
                Tensor hidden = network.Hidden(ids);
                _timer.Done(StepPart.Forward);
                loss.add_(LanguageModelLoss.Backward(network, hidden, targets, scale));
                network.Parameters.CollectGradient();
                _timer.Done(StepPart.Backward);
                starts.AddRange(batch.RowStarts);
                _state = _state with { Position = batch.After, RowPart = batch.RowPart };
            }

            Tensor norm = network.Parameters.GradientSum.norm();
            ledger.Add(_state.Step, loss, scale, norm, starts);
            _state = _state with { Step = _state.Step + 1, LearningRate = rate };
            if (Immediate) Settle(optimizer, ledger, () => optimizer.Step(rate, norm));
            else optimizer.StepIfFinite(rate, norm, loss);
            network.Parameters.ZeroGradient();
            average?.Update(_state.Step);
            _timer.Done(StepPart.Optimizer);
        }
        catch (Exception e) when (OutOfMemory.Is(e, out _))
        {
            throw TooLarge(e, stage.MicroBatchSize, stage.SequenceLength);
        }

        _timer.End();
        _timedSteps++;
        _stepClock.Stop();
    }

    /// <summary>Reads how the updates went that are not known yet, and draws the conclusions.</summary>
    /// <param name="optimizer">Is told how many updates were made.</param>
    /// <param name="ledger">Knows them.</param>
    /// <param name="update">Makes the one update that has waited for this; null where the device has decided on them itself.</param>
    private void Settle(AdamW optimizer, StepLedger ledger, Action? update = null)
    {
        bool running = _stepClock.IsRunning;
        _stepClock.Start();   // the device works on the updates until they can be read
        IReadOnlyList<StepOutcome> outcomes = ledger.Read();
        if (!running) _stepClock.Stop();
        if (update is null) optimizer.Confirm(outcomes.Count(static o => o.IsFinite));
        foreach (StepOutcome outcome in outcomes)
        {
            _state = _state with { GradientNorm = outcome.GradientNorm };
            if (!outcome.IsFinite)
            {
                Skip(outcome);
                continue;
            }

            update?.Invoke();
            Watch(outcome);
            _state = _state with
            {
                LossSum = _state.LossSum + outcome.Loss,
                LossSteps = _state.LossSteps + 1,
                SkippedInARow = 0,
            };
        }
    }

    /// <summary>Dropout of a step depends on the seed and the step alone, so that a resumed run draws what the first would have drawn.</summary>
    private void SeedDropout(int step)
    {
        long stepSeed = unchecked((seed * 6_364_136_223_846_793_005) + step);
        manual_seed(stepSeed);                                         // the CPU's generator only
        if (network.Device.IsCuda) cuda.manual_seed_all(stepSeed);
    }

    private void Skip(StepOutcome outcome)
    {
        _state = _state with { SkippedUpdates = _state.SkippedUpdates + 1, SkippedInARow = _state.SkippedInARow + 1 };
        DocumentRange[] documents = DocumentsOf(outcome);
        log($"Step {outcome.Step + 1}: the loss or the gradient is not finite; the update is skipped. The batch came from {string.Join(", ", documents)}.");
        if (_state.SkippedInARow > options.MaxSkippedUpdates)
            throw new TrainingDivergedException(outcome.Step + 1, _state.SkippedInARow, documents, folder?.LastWritten);
    }

    /// <summary>Warns of a loss that stands out.</summary>
    private void Watch(StepOutcome outcome)
    {
        if (options.LossSpikeDeviations == 0) return;
        if (LossSpikes.DeviationsAbove(_state.RecentLosses, outcome.Loss) is { } deviations && deviations > options.LossSpikeDeviations)
        {
            _state = _state with { LossSpikes = _state.LossSpikes + 1 };
            log(FormattableString.Invariant($"Step {outcome.Step + 1}: the loss {outcome.Loss:F4} is a spike, {deviations:F1} deviations above the mean {_state.RecentLosses.Average():F4} of the last {_state.RecentLosses.Count} updates. The batch came from {string.Join(", ", DocumentsOf(outcome))}."));
        }

        _state = _state with { RecentLosses = LossSpikes.With(_state.RecentLosses, outcome.Loss) };
    }

    private DocumentRange[] DocumentsOf(StepOutcome outcome)
    {
        int length = _plan.StageOf(outcome.Step).SequenceLength;
        return [.. outcome.RowStarts.Select(start => training.DocumentsOf(start, length)).Distinct()];
    }

    private double Evaluate(WeightAverage? average, BestWeights? best)
    {
        if (validation is null) return double.NaN;
        bool exchanged = false;
        try
        {
            average?.Exchange();
            exchanged = average is not null;
            double loss = Evaluation.MeanLoss(network, validation, options.EvaluationRows, _plan.EvaluationRows, options.CancellationToken);
            _state = _state with { ValidationLoss = loss };
            if (!(loss >= _state.BestValidationLoss))
            {
                _state = _state with { BestValidationLoss = loss, BestStep = _state.Step };
                best?.Keep(network);
                folder?.WriteBest(network, _state);
            }

            if (_state.Step == 0) log(FormattableString.Invariant($"step 0/{options.MaxSteps}  validation {loss:F4} (a uniform guess: {Math.Log(network.Config.VocabularySize):F4})"));
            return loss;
        }
        catch (Exception e) when (OutOfMemory.Is(e, out _))
        {
            throw TooLarge(e, _plan.EvaluationRows, validation.ContextLength);
        }
        finally
        {
            if (exchanged) average!.Exchange();
        }
    }

    private TrainingOutOfMemoryException TooLarge(Exception e, int rows, int length) =>
        new TrainingMemory(network.Config, network.Precision, network.Device) { Averaged = options.AverageDecay > 0, Checkpointed = options.ActivationCheckpointing }
            .TooSmall(rows, length, e, lastCheckpoint: folder?.LastWritten);

    private void Report(double? validationLoss)
    {
        double done = (double)(_state.Step - _firstStep) / Math.Max(1, options.MaxSteps - _firstStep);
        double seconds = Math.Max(_stepClock.Elapsed.TotalSeconds, 1e-9);
        long tokens = _plan.TokensOf(_state.Step) - _plan.TokensOf(_state.Step - _timedSteps);
        double? knownValidationLoss = validationLoss is { } v && double.IsFinite(v) ? v : null;
        var progress = new TrainingProgress(
            _state.Step,
            options.MaxSteps,
            _plan.TokensOf(_state.Step),
            _state.LossSteps > 0 ? _state.LossSum / _state.LossSteps : double.NaN,
            _state.LearningRate,
            _state.GradientNorm,
            tokens / seconds,
            knownValidationLoss,
            _clock.Elapsed,
            done > 0 ? _clock.Elapsed * ((1 - done) / done) : TimeSpan.Zero)
        {
            BitsPerByte = knownValidationLoss / (BytesPerToken * Math.Log(2)),
            ModelFlopsUtilization = _peakFlops > 0 ? Flops() / seconds / _peakFlops : null,
            PeakMemoryBytes = network.Device.IsCuda ? null : AvailableMemory.PeakBytes(),
            LossSpikes = _state.LossSpikes,
            SkippedUpdates = _state.SkippedUpdates,
            StepTimes = _timer.Take(),
        };
        _history.Add(progress);
        folder?.Metrics.Add(progress);
        if (validationLoss is not null) folder?.Metrics.Draw(_history);
        _tensorBoard?.Add(progress.Step, Scalars(progress));
        log(progress.ToString());
        options.Progress?.Invoke(progress);
        _state = _state with { LossSum = 0, LossSteps = 0, LossSpikes = 0, ReportedStep = _state.Step };
        _stepClock.Reset();
        _timedSteps = 0;

        // The model's own operations in the updates since the last report: an update of short rows has less attention.
        double Flops()
        {
            double sum = 0;
            for (int step = _state.Step - _timedSteps; step < _state.Step; step++)
            {
                PlannedStage stage = _plan.StageOf(step);
                sum += stage.TokensPerStep * network.Config.FlopsPerTokenAt(stage.SequenceLength);
            }

            return sum;
        }
    }

    private static IEnumerable<(string, double?)> Scalars(TrainingProgress p) =>
    [
        ("loss/training", p.Loss),
        ("loss/validation", p.ValidationLoss),
        ("perplexity/validation", p.ValidationLoss is { } v ? Math.Exp(v) : null),
        ("bits_per_byte/validation", p.BitsPerByte),
        ("learning_rate", p.LearningRate),
        ("gradient_norm", p.GradientNorm),
        ("tokens_per_second", p.TokensPerSecond),
        ("model_flops_utilization", p.ModelFlopsUtilization),
        ("peak_memory_bytes", p.PeakMemoryBytes),
        ("loss_spikes", p.LossSpikes),
        ("skipped_updates", p.SkippedUpdates),
    ];
}
