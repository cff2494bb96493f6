using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// Supervised fine-tuning of a GPT with a task head (Radford et al. 2018, section 3.2), the same for all four tasks: they differ in how an example becomes
/// sequences and in what the head gives. The estimator prepares what it gets, and wraps what it leaves.
/// </summary>
internal sealed class SupervisedTaskLoop(
    TaskNetwork network,
    IReadOnlyList<FlatParameters> trained,
    IReadOnlyList<TaskExample> training,
    IReadOnlyList<TaskExample>? validation,
    int classes,
    IReadOnlyList<double>? classWeights,
    SupervisedTaskOptions options,
    long seed,
    SupervisedRunFolder? folder,
    Action<string> log)
{
    private readonly List<SupervisedTaskProgress> _history = [];
    private readonly Stopwatch _clock = new(), _stepClock = new();
    private readonly int _batchesPerEpoch = (training.Count + options.BatchSize - 1) / options.BatchSize;
    private int _step, _bestStep, _worse, _skipped, _skippedInARow, _reportedExamples;
    private double _rate, _gradientNorm, _loss, _lossWeight, _auxiliary, _auxiliaryRows;
    private TaskEvaluation? _best, _last;

    private int MaxSteps => _batchesPerEpoch * options.Epochs;

    /// <summary>Runs to the last update, to early stopping or to cancellation. The network then holds the weights that the options ask for.</summary>
    /// <exception cref="TrainingDivergedException">The gradient was not finite too many times in a row.</exception>
    public (TaskEvaluation? Evaluation, int BestStep, int Steps, bool StoppedEarly, bool Cancelled, int Skipped, IReadOnlyList<SupervisedTaskProgress> History) Run()
    {
        // 1. The optimizer: one gradient norm over all that is trained.
        using var optimizer = new TrainableSets(trained, new AdamWOptions
        {
            LearningRate = options.LearningRate,
            Beta2 = 0.999,                                               // Adam's default, which GPT-1's code takes
            WeightDecay = options.WeightDecay,
            GradientClipNorm = options.GradientClipNorm,
        });
        using Tensor? weights = classWeights is null ? null : tensor(classWeights.Select(static w => (float)w).ToArray()).to(network.Network.TorchDevice);
        using var kept = new KeptWeights(trained);
        network.Network.Training = true;
        _clock.Start();
        bool cancelled = false, stopped = false;
        try
        {
            for (int epoch = 0; epoch < options.Epochs && !stopped; epoch++)
            {
                IReadOnlyList<TaskExample[]> batches = TaskBatches.Of(training, options.BatchSize, options.LengthBucketBatches, seed, epoch);
                for (int i = 0; i < batches.Count && !stopped; i++)
                {
                    options.CancellationToken.ThrowIfCancellationRequested();

                    // 2. One update.
                    Update(optimizer, batches[i], weights);

                    // 3. Evaluate and report when it is time; stop when the validation loss has risen long enough.
                    bool evaluate = validation is not null && (i + 1) * options.EvaluationsPerEpoch / batches.Count > i * options.EvaluationsPerEpoch / batches.Count;
                    if (evaluate) Evaluate(kept);
                    if (evaluate || _step % options.LogInterval == 0 || _step == MaxSteps) Report(evaluate);
                    stopped = evaluate && _worse >= options.EarlyStoppingPatience && _step < MaxSteps;
                }
            }

            if (stopped) log($"Stopped after step {_step} of {MaxSteps}: {_worse} evaluations in a row brought no lower validation loss than step {_bestStep}'s.");
        }
        catch (OperationCanceledException) when (options.CancellationToken.IsCancellationRequested)
        {
            cancelled = true;
            log($"Cancelled after step {_step} of {MaxSteps}; the model is kept as far as it got.");
        }

        // 4. Leave the weights that were asked for in the network.
        network.Network.Training = false;
        bool best = options.ReturnBest && _best is not null;
        if (best) kept.Restore();
        folder?.Draw(_history);
        return (best ? _best : _last, _bestStep, _step, stopped, cancelled, _skipped, _history);
    }

    /// <summary>Forward and backward over the micro-batches of an update, then the optimizer.</summary>
    private void Update(TrainableSets optimizer, TaskExample[] examples, Tensor? weights)
    {
        _stepClock.Start();
        using var scope = NewDisposeScope();
        SeedDropout();
        int rows = examples.Sum(static example => example.Sequences.Length);
        double total = classWeights is null ? examples.Length : examples.Sum(example => classWeights[example.Label]);
        double taskScale = total > 0 ? 1 / total : 0, auxiliaryScale = options.AuxiliaryLossWeight / rows;
        Tensor task = zeros([], ScalarType.Float32, network.Network.TorchDevice), auxiliary = zeros([], ScalarType.Float32, network.Network.TorchDevice);
        foreach (TaskExample[] part in examples.Chunk(options.MicroBatchSize ?? examples.Length))
        {
            using var microScope = NewDisposeScope();
            var batch = new TaskBatch(part, network.Config, network.Network.TorchDevice, options.AuxiliaryLossWeight > 0);
            (Tensor taskSum, Tensor auxiliarySum) = TaskLoss.Backward(network, batch, weights, taskScale, auxiliaryScale, options.ClassifierDropout);
            task.add_(taskSum);
            auxiliary.add_(auxiliarySum);
            optimizer.CollectGradient();
        }

        Tensor norm = optimizer.GradientNorm();
        _rate = LearningRateSchedule.Linear(_step, options.LearningRate, (int)Math.Ceiling(options.WarmupFraction * MaxSteps), MaxSteps);
        _gradientNorm = norm.item<float>();                     // sync: decides whether the update is made
        if (double.IsFinite(_gradientNorm))
        {
            optimizer.Step(_rate, norm);
            _loss += task.item<float>();                        // sync: reads the losses
            _lossWeight += total;
            _auxiliary += auxiliary.item<float>();
            _auxiliaryRows += rows;
            _skippedInARow = 0;
        }
        else
        {
            _skipped++;
            log($"Step {_step + 1}: the gradient is not finite; the update is skipped.");
            if (++_skippedInARow > options.MaxSkippedUpdates) throw new TrainingDivergedException(_step + 1, _skippedInARow);
        }

        optimizer.ZeroGradient();
        _step++;
        _reportedExamples += examples.Length;
        _stepClock.Stop();
    }

    /// <summary>Dropout of a step depends on the seed and the step alone.</summary>
    private void SeedDropout()
    {
        long stepSeed = unchecked((seed * 6_364_136_223_846_793_005) + _step);
        manual_seed(stepSeed);                                  // the CPU's generator only
        if (network.Network.Device.IsCuda) cuda.manual_seed_all(stepSeed);
    }

    private void Evaluate(KeptWeights kept)
    {
        _last = TaskEvaluation.Of(network, validation!, options.MicroBatchSize ?? options.BatchSize, classes, classWeights, options.CancellationToken);
        if (_best is not null && !(_last.Loss < _best.Loss))
        {
            _worse++;
            return;
        }

        (_best, _bestStep, _worse) = (_last, _step, 0);
        if (options.ReturnBest) kept.Keep();
    }

    private void Report(bool evaluated)
    {
        double done = (double)_step / MaxSteps;
        var progress = new SupervisedTaskProgress(
            _step,
            MaxSteps,
            _lossWeight > 0 ? _loss / _lossWeight : double.NaN,
            options.AuxiliaryLossWeight > 0 && _auxiliaryRows > 0 ? _auxiliary / _auxiliaryRows : null,
            _rate,
            _gradientNorm,
            _reportedExamples / Math.Max(_stepClock.Elapsed.TotalSeconds, 1e-9),
            evaluated && double.IsFinite(_last!.Loss) ? _last.Loss : null,
            evaluated ? _last!.Accuracy : null,
            _clock.Elapsed,
            _clock.Elapsed * ((1 - done) / done));
        _history.Add(progress);
        folder?.Add(progress);
        log(progress.ToString());
        options.Progress?.Invoke(progress);
        (_loss, _lossWeight, _auxiliary, _auxiliaryRows, _reportedExamples) = (0, 0, 0, 0, 0);
        _stepClock.Reset();
    }
}
