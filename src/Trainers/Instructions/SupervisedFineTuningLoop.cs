using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Supervised fine-tuning (Ouyang et al. 2022, section 3.5): next-token prediction on the completions of examples, each once an epoch, in
/// an order of its own each epoch. The estimator prepares what it gets, and wraps what it leaves.
/// </summary>
internal sealed class SupervisedFineTuningLoop(
    FineTuningNetwork trained, IReadOnlyList<SupervisedExample> training, IReadOnlyList<SupervisedExample> validation, SupervisedFineTuningOptions options, long seed, FineTuningFolder? folder, Action<string> log)
{
    private readonly GptNetwork _network = trained.Network;
    private readonly AdamWOptions _optimizer = options.OptimizerInUse;
    private readonly int _stepsPerEpoch = (training.Count + options.BatchSize - 1) / options.BatchSize;
    private readonly List<TrainingProgress> _history = [];
    private readonly Stopwatch _clock = new();
    private readonly Stopwatch _stepClock = new();
    private FineTuningState _state = new();
    private int[] _order = [];
    private int _orderedEpoch = -1;
    private int _firstStep;
    private long _reportedTokens;

    /// <summary>The updates of the whole run.</summary>
    public int MaxSteps => checked(_stepsPerEpoch * options.Epochs);

    private bool Evaluates => validation.Count > 0 && options.EvaluationInterval != 0;

    /// <summary>Runs to the last epoch, to cancellation, or until early stopping ends it. The network then holds the weights that the options ask for.</summary>
    /// <exception cref="TrainingDivergedException">The loss or the gradient was not finite too many times in a row.</exception>
    public (FineTuningState State, IReadOnlyList<TrainingProgress> History, bool StoppedEarly, bool Cancelled) Run()
    {
        // 1. Begin at the pretrained weights, or continue where the last checkpoint stands.
        using var sets = new TrainableSets(trained.Sets, _optimizer);
        using KeptWeights? best = options.ReturnsBest && Evaluates ? new(trained.Sets) : null;
        if (options.Resume)
        {
            _state = folder!.Resume(trained, sets, best);
            _history.AddRange(folder.Metrics.Resume(new TrainingState { ReportedStep = _state.ReportedStep }));
        }

        _firstStep = _state.Step;
        _reportedTokens = _state.Tokens;
        _network.Training = true;
        _clock.Start();
        bool cancelled = false;
        try
        {
            EvaluateIfDue(best);
            while (_state.Step < MaxSteps && !StopsEarly)
            {
                options.CancellationToken.ThrowIfCancellationRequested();

                // 2. One update: the examples in rows, the rows in micro-batches, the mean over all their completion tokens.
                Update(sets);

                // 3. Evaluate, report and save when it is time.
                EvaluateIfDue(best);
                if (_state.Step < MaxSteps && options.CheckpointInterval > 0 && _state.Step % options.CheckpointInterval == 0) folder?.WriteLast(trained, sets, _state);
            }
        }
        catch (OperationCanceledException) when (options.CancellationToken.IsCancellationRequested)
        {
            cancelled = true;
            log($"Cancelled after step {_state.Step} of {MaxSteps}; the model is kept as far as it got.");
        }

        // 4. Leave the last state on disk and the weights that were asked for in the network.
        if (StopsEarly) log($"Stopped early after step {_state.Step} of {MaxSteps}: no lower validation loss in {_state.EvaluationsSinceBest} evaluations.");
        folder?.WriteLast(trained, sets, _state);
        if (_state.LossSteps > 0) Report(null);   // a resumed run reports this again, in its place
        _network.Training = false;
        folder?.Metrics.Draw(_history);
        best?.Restore();
        return (_state, _history, StopsEarly, cancelled);
    }

    private bool StopsEarly => options.EarlyStoppingPatience > 0 && _state.EvaluationsSinceBest >= options.EarlyStoppingPatience;

    /// <summary>Forward and backward over the micro-batches of a step, then the optimizer.</summary>
    private void Update(TrainableSets sets)
    {
        _stepClock.Start();
        using var scope = NewDisposeScope();
        SupervisedExample[] examples = ExamplesOf(_state.Step);
        long targets = examples.Sum(static e => (long)e.TargetCount);
        SeedDropout(_state.Step);
        Tensor loss = zeros([], ScalarType.Float32, _network.TorchDevice);
        foreach (SupervisedBatch batch in SupervisedBatch.Of(examples, options.Packing ? _network.Config.ContextLength : null, options.MicroBatchSize))
        {
            using var microScope = NewDisposeScope();
            (Tensor hidden, Tensor next) = batch.Run(_network);
            loss.add_(LanguageModelLoss.Backward(_network, hidden, next, 1.0 / targets));
            sets.CollectGradient();
        }

        Tensor norm = sets.GradientNorm();
        double rate = LearningRateSchedule.At(_state.Step, _optimizer, MaxSteps);
        double gradientNorm = norm.item<float>(), mean = loss.item<float>() / targets;   // sync: decides whether the update is made
        if (double.IsFinite(gradientNorm) && double.IsFinite(mean))
        {
            sets.Step(rate, norm);
            _state = _state with { LossSum = _state.LossSum + mean, LossSteps = _state.LossSteps + 1, Tokens = _state.Tokens + targets, SkippedInARow = 0 };
        }
        else
        {
            Skip(examples);
        }

        sets.ZeroGradient();
        _state = _state with { Step = _state.Step + 1, LearningRate = rate, GradientNorm = gradientNorm };
        _stepClock.Stop();
    }

    /// <summary>The examples of a step: each epoch a permutation of its own, decided by the seed; the last step of an epoch takes what is left.</summary>
    private SupervisedExample[] ExamplesOf(int step)
    {
        int epoch = step / _stepsPerEpoch, first = step % _stepsPerEpoch * options.BatchSize;
        if (epoch != _orderedEpoch)
        {
            // Fisher and Yates; .NET keeps a seeded Random's numbers the same in all versions.
            var random = new Random(unchecked((int)((seed * 1_000_003) ^ (epoch * 7_919))));
            _order = [.. Enumerable.Range(0, training.Count)];
            for (int i = _order.Length - 1; i > 0; i--)
            {
                int other = random.Next(i + 1);
                (_order[i], _order[other]) = (_order[other], _order[i]);
            }

            _orderedEpoch = epoch;
        }

        return [.. _order.Skip(first).Take(options.BatchSize).Select(index => training[index])];
    }

    /// <summary>Dropout of a step depends on the seed and the step alone, so that a resumed run draws what the first would have drawn.</summary>
    private void SeedDropout(int step)
    {
        long stepSeed = unchecked((seed * 6_364_136_223_846_793_005) + step);
        manual_seed(stepSeed);                                          // the CPU's generator only
        if (_network.Device.IsCuda) cuda.manual_seed_all(stepSeed);
    }

    private void Skip(SupervisedExample[] examples)
    {
        _state = _state with { SkippedUpdates = _state.SkippedUpdates + 1, SkippedInARow = _state.SkippedInARow + 1 };
        long[] rows = [.. examples.Select(static e => e.Row).Order()];
        log($"Step {_state.Step + 1}: the loss or the gradient is not finite; the update is skipped. The batch holds the rows {string.Join(", ", rows)}.");
        if (_state.SkippedInARow > options.MaxSkippedUpdates)
            throw new TrainingDivergedException(_state.Step + 1, _state.SkippedInARow, [.. rows.Select(static row => new DocumentRange((int)row, (int)row))], folder?.LastWritten);
    }

    private void EvaluateIfDue(KeptWeights? best)
    {
        bool last = _state.Step == MaxSteps;
        bool evaluate = Evaluates && _state.EvaluatedStep < _state.Step && (last || _state.Step % (options.EvaluationInterval ?? _stepsPerEpoch) == 0);
        double? validationLoss = evaluate ? Evaluate(best) : null;
        if (_state.Step == 0 && validationLoss is not null) log(FormattableString.Invariant($"step 0/{MaxSteps}  validation {validationLoss:F4}"));
        if (_state.Step > Math.Max(0, _state.ReportedStep) && (last || validationLoss is not null || _state.Step % options.LogInterval == 0)) Report(validationLoss);
    }

    /// <summary>The mean negative log-likelihood per completion token over the validation examples, dropout off.</summary>
    private double Evaluate(KeptWeights? best)
    {
        using var noGradient = no_grad();
        _network.Training = false;
        double sum = 0;
        long targets = 0;
        try
        {
            foreach (SupervisedExample[] examples in validation.Chunk(options.BatchSize))
            {
                foreach (SupervisedBatch batch in SupervisedBatch.Of(examples, options.Packing ? _network.Config.ContextLength : null, options.MicroBatchSize))
                {
                    options.CancellationToken.ThrowIfCancellationRequested();
                    using var scope = NewDisposeScope();
                    (Tensor hidden, Tensor next) = batch.Run(_network);
                    sum += LanguageModelLoss.Sum(_network, hidden, next).item<float>();   // sync: reads the loss
                    targets += batch.TargetCount;
                }
            }
        }
        finally
        {
            _network.Training = true;
        }

        double loss = sum / targets;
        _state = _state with { ValidationLoss = loss, EvaluatedStep = _state.Step, EvaluationsSinceBest = _state.EvaluationsSinceBest + 1 };
        if (!(loss >= _state.BestValidationLoss))
        {
            _state = _state with { BestValidationLoss = loss, BestStep = _state.Step, EvaluationsSinceBest = 0 };
            best?.Keep();
            folder?.WriteBest(trained);
        }

        return loss;
    }

    private void Report(double? validationLoss)
    {
        double done = (double)(_state.Step - _firstStep) / Math.Max(1, MaxSteps - _firstStep);
        var progress = new TrainingProgress(
            _state.Step,
            MaxSteps,
            _state.Tokens,
            _state.LossSteps > 0 ? _state.LossSum / _state.LossSteps : double.NaN,
            _state.LearningRate,
            _state.GradientNorm,
            (_state.Tokens - _reportedTokens) / Math.Max(_stepClock.Elapsed.TotalSeconds, 1e-9),
            validationLoss is { } v && double.IsFinite(v) ? v : null,
            _clock.Elapsed,
            done > 0 ? _clock.Elapsed * ((1 - done) / done) : TimeSpan.Zero);
        _history.Add(progress);
        folder?.Metrics.Add(progress);
        if (validationLoss is not null) folder?.Metrics.Draw(_history);
        log(progress.ToString());
        options.Progress?.Invoke(progress);
        _state = _state with { LossSum = 0, LossSteps = 0, ReportedStep = _state.Step };
        _reportedTokens = _state.Tokens;
        _stepClock.Reset();
    }
}
