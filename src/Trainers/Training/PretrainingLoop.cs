using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Pretraining: next-token prediction over packed rows (Radford et al. 2018, section 3.1; Brown et al. 2020, section 2.3 and
/// appendix B). The estimator prepares what it gets, and wraps what it leaves.
/// </summary>
internal sealed class PretrainingLoop(GptNetwork network, PackedRows training, PackedRows? validation, LanguageModelOptions options, long seed, RunFolder? folder, Action<string> log)
{
    private readonly List<TrainingProgress> _history = [];
    private readonly Stopwatch _clock = new();
    private readonly Stopwatch _stepClock = new();
    private readonly int _micro = options.MicroBatchSize ?? options.BatchSize;
    private TrainingState _state = new();
    private int _firstStep;

    /// <summary>Runs to the last step or to cancellation. The network then holds the weights that the options ask for.</summary>
    /// <param name="resumed">The state to continue from, whose weights the network holds; null begins afresh.</param>
    /// <exception cref="TrainingDivergedException">The gradient was not finite too many times in a row.</exception>
    public PretrainingResult Run(TrainingCheckpoint? resumed)
    {
        // 1. Begin, or continue where the last checkpoint stands.
        using var optimizer = new AdamW(network.Parameters, options.Optimizer);
        if (resumed is not null)
        {
            _state = resumed.Restore(optimizer, network);
            _history.AddRange(folder!.Metrics.Resume(_state));
        }

        _firstStep = _state.Step;
        using var loader = new BatchLoader(training, _micro, seed, _state.Position);
        using BestWeights? best = options.ReturnBest && validation is not null && options.EvaluationInterval > 0 ? new() : null;
        if (resumed is not null) best?.Load(network, folder!.BestCheckpoint);
        network.Training = true;
        _clock.Start();
        bool cancelled = false;
        try
        {
            if (_state.Step == 0 && options.EvaluationInterval > 0) Evaluate(best);
            if (_state.LossSteps > 0) ReportIfDue(best);   // resumed from a cancellation during an evaluation
            while (_state.Step < options.MaxSteps)
            {
                options.CancellationToken.ThrowIfCancellationRequested();

                // 2. One update.
                Update(optimizer, loader);

                // 3. Report, evaluate and save when it is time.
                ReportIfDue(best);
                if (_state.Step < options.MaxSteps && options.CheckpointInterval > 0 && _state.Step % options.CheckpointInterval == 0) folder?.WriteLast(network, optimizer, _state);
            }
        }
        catch (OperationCanceledException) when (options.CancellationToken.IsCancellationRequested)
        {
            cancelled = true;
            log($"Cancelled after step {_state.Step} of {options.MaxSteps}; the model is kept as far as it got.");
            if (_state.LossSteps > 0)
            {
                // What is reported now is reported again, in its place, if the run is resumed.
                TrainingState unfinished = _state;
                Report(null);
                _state = unfinished;
            }
        }

        // 4. Leave the last state on disk and the weights that were asked for in the network.
        network.Training = false;
        folder?.WriteLast(network, optimizer, _state);
        folder?.Metrics.Draw(_history);
        best?.Restore(network);
        return new(_history, _state.Step, _history.Count > 0 ? _history[^1].Loss : double.NaN, _state.ValidationLoss, _state.BestValidationLoss, _state.BestStep, cancelled, _state.SkippedUpdates);
    }

    private void ReportIfDue(BestWeights? best)
    {
        bool last = _state.Step == options.MaxSteps;
        double? validationLoss = null;
        if (options.EvaluationInterval > 0 && (last || _state.Step % options.EvaluationInterval == 0)) validationLoss = Evaluate(best);
        if (last || validationLoss is not null || _state.Step % options.LogInterval == 0) Report(validationLoss);
    }

    /// <summary>Forward and backward over the micro-batches of a step, then the optimizer.</summary>
    private void Update(AdamW optimizer, BatchLoader loader)
    {
        _stepClock.Start();
        using var scope = NewDisposeScope();
        double scale = 1.0 / ((double)options.BatchSize * training.ContextLength);
        SeedDropout(_state.Step);
        var starts = new List<long>();
        Tensor loss = zeros([], ScalarType.Float32, network.TorchDevice);
        for (int done = 0; done < options.BatchSize; done += _micro)
        {
            using var microScope = NewDisposeScope();
            TrainingBatch batch = loader.Next();
            (Tensor ids, Tensor targets) = batch.To(network.TorchDevice);
            loss.add_(LanguageModelLoss.Backward(network, network.Hidden(ids), targets, scale));
            network.Parameters.CollectGradient();
            starts.AddRange(batch.RowStarts);
            _state = _state with { Position = batch.After };
        }

        Tensor norm = network.Parameters.GradientSum.norm();
        double rate = LearningRateSchedule.At(_state.Step, options.Optimizer, options.MaxSteps);
        double gradientNorm = norm.item<float>();               // sync: decides whether the update is made
        if (double.IsFinite(gradientNorm))
        {
            optimizer.Step(rate, norm);
            double mean = loss.item<float>() * scale;           // sync: reads the loss
            _state = _state with { LossSum = _state.LossSum + mean, LossSteps = _state.LossSteps + 1, SkippedInARow = 0 };
        }
        else
        {
            Skip(starts);
        }

        network.Parameters.ZeroGradient();
        _state = _state with { Step = _state.Step + 1, LearningRate = rate, GradientNorm = gradientNorm };
        _stepClock.Stop();
    }

    /// <summary>Dropout of a step depends on the seed and the step alone, so that a resumed run draws what the first would have drawn.</summary>
    private void SeedDropout(int step)
    {
        long stepSeed = unchecked((seed * 6_364_136_223_846_793_005) + step);
        manual_seed(stepSeed);                                         // the CPU's generator only
        if (network.Device.IsCuda) cuda.manual_seed_all(stepSeed);
    }

    private void Skip(List<long> starts)
    {
        _state = _state with { SkippedUpdates = _state.SkippedUpdates + 1, SkippedInARow = _state.SkippedInARow + 1 };
        DocumentRange[] documents = [.. starts.Select(training.DocumentsOf).Distinct()];
        log($"Step {_state.Step + 1}: the gradient is not finite; the update is skipped. The batch came from {string.Join(", ", documents)}.");
        if (_state.SkippedInARow > options.MaxSkippedUpdates)
            throw new TrainingDivergedException(_state.Step + 1, _state.SkippedInARow, documents, folder?.LastWritten);
    }

    private double Evaluate(BestWeights? best)
    {
        if (validation is null) return double.NaN;
        double loss = Evaluation.MeanLoss(network, validation, options.EvaluationRows, _micro, options.CancellationToken);
        _state = _state with { ValidationLoss = loss };
        if (!(loss >= _state.BestValidationLoss))
        {
            _state = _state with { BestValidationLoss = loss, BestStep = _state.Step };
            best?.Keep(network);
            folder?.WriteBest(network);
        }

        if (_state.Step == 0) log(FormattableString.Invariant($"step 0/{options.MaxSteps}  validation {loss:F4} (a uniform guess: {Math.Log(network.Config.VocabularySize):F4})"));
        return loss;
    }

    private void Report(double? validationLoss)
    {
        int steps = Math.Max(1, _state.LossSteps);
        long tokensPerStep = (long)options.BatchSize * training.ContextLength;
        double done = (double)(_state.Step - _firstStep) / Math.Max(1, options.MaxSteps - _firstStep);
        var progress = new TrainingProgress(
            _state.Step,
            options.MaxSteps,
            _state.Step * tokensPerStep,
            _state.LossSteps > 0 ? _state.LossSum / steps : double.NaN,
            _state.LearningRate,
            _state.GradientNorm,
            steps * tokensPerStep / Math.Max(_stepClock.Elapsed.TotalSeconds, 1e-9),
            validationLoss is { } v && double.IsFinite(v) ? v : null,
            _clock.Elapsed,
            done > 0 ? _clock.Elapsed * ((1 - done) / done) : TimeSpan.Zero);
        _history.Add(progress);
        folder?.Metrics.Add(progress);
        if (validationLoss is not null) folder?.Metrics.Draw(_history);
        log(progress.ToString());
        options.Progress?.Invoke(progress);
        _state = _state with { LossSum = 0, LossSteps = 0 };
        _stepClock.Reset();
    }
}
