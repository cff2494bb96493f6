using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNet.Gpt;

/// <summary>
/// Fine-tunes a GPT for one of GPT-1's supervised tasks (Radford et al. 2018, sections 3.2 and 3.3): labelled texts → sequences → training → a transformer
/// that adds scores and the predicted label, as ML.NET's own trainers do.
/// </summary>
/// <remarks>
/// Create it with <c>ml.Gpt().Trainers</c>. Immutable; <c>Fit</c> may be called again, as cross-validation does. Training uses the process's libtorch threads and
/// random state.
/// </remarks>
public sealed class SupervisedTaskTrainer : IEstimator<SupervisedTaskTransformer>
{
    private readonly MLContext _context;
    private readonly TaskColumns _columns;
    private readonly SupervisedTaskOptions _options;

    internal SupervisedTaskTrainer(MLContext context, TaskColumns columns, SupervisedTaskOptions options)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(options);
        _context = context;
        _columns = columns.Validate();
        _options = options.Validate();
        if (!_columns.Objective.HasClasses && (options.ClassWeights is not null || options.BalanceClasses))
            throw new ArgumentException("A regression has no classes to weigh; leave ClassWeights and BalanceClasses alone.", nameof(options));
        ClassifyTextTransformer.CheckNames(_columns.Score, _columns.IsRegression, options.Scoring);
    }

    /// <summary>Trains on labelled rows.</summary>
    /// <param name="input">The rows. Those without a label are counted and left out.</param>
    /// <returns>The trained model, which the caller disposes.</returns>
    /// <exception cref="ColumnMismatchException">A column is missing or has another type.</exception>
    /// <exception cref="InvalidLabelsException">No row has a label, all have the same one, or no validation row has one that training knows; or there is none to validate on, and an option needs it.</exception>
    /// <exception cref="ArgumentException"><see cref="SupervisedTaskOptions.ClassWeights"/> has another number of weights than the label has classes.</exception>
    /// <exception cref="ContextTooShortException">The model's context has no room for the task's special tokens.</exception>
    /// <exception cref="CheckpointNotFoundException">The pretrained model's folder or a file of it is missing.</exception>
    /// <exception cref="CorruptFileException">The pretrained checkpoint can't be read, or has no tokenizer.</exception>
    /// <exception cref="DeviceUnavailableException">A GPU was asked for that isn't there.</exception>
    /// <exception cref="NativeLibraryException">libtorch isn't there.</exception>
    /// <exception cref="FolderNotWritableException">The run folder can't be written.</exception>
    /// <exception cref="ConcurrentWriteException">Another run is under way in the run folder.</exception>
    /// <exception cref="RunExistsException">The run folder holds a run, and <see cref="RunOptions.Resume"/> is off.</exception>
    /// <exception cref="ResumeMismatchException">The run to resume had other options, data or pretrained weights.</exception>
    /// <exception cref="TrainingOutOfMemoryException">The memory is too small; the message has the numbers and what to lower.</exception>
    /// <exception cref="DiskFullException">There is no room for a checkpoint; the last one is whole.</exception>
    /// <exception cref="TrainingDivergedException">The gradient was not finite too many times in a row.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The epochs have more updates than a run can count, <see cref="int.MaxValue"/>.</exception>
    /// <exception cref="OperationCanceledException"><see cref="RunOptions.CancellationToken"/> was cancelled before training began, while the data were read.</exception>
    public SupervisedTaskTransformer Fit(IDataView input) => Fit(input, null);

    /// <summary>Trains on labelled rows and validates on others.</summary>
    /// <param name="trainSet">The rows to train on.</param>
    /// <param name="validationSet">The rows to validate on, with columns of the same names; null holds out <see cref="EvaluationOptions.ValidationFraction"/> of <paramref name="trainSet"/>.</param>
    /// <returns>The trained model, which the caller disposes.</returns>
    public SupervisedTaskTransformer Fit(IDataView trainSet, IDataView? validationSet)
    {
        ArgumentNullException.ThrowIfNull(trainSet);
        (_, int classes, LabelValues? values) = _columns.Find(trainSet.Schema);
        if (validationSet is not null) _columns.Find(validationSet.Schema);
        IHost host = ((IHostEnvironment)_context).Register("Gpt");
        using IChannel channel = host.Start(_columns.Task.ToString());
        void Log(string line) => channel.Info(MessageSensitivity.None, "{0}", line);
        ClassifierHead head = HeadOf(classes, values);

        // 1. Where to train, in what format, from which seed and which model.
        GptDevice device = TrainingDevice.Resolve(_options.Run.Device, _context, Log);
        GptPrecision precision = PrecisionPolicy.Resolve(_options.Run.Precision, device);
        using Tf32Scope tf32 = Tf32Scope.Enter(_options.Run.AllowTf32, device);
        using RunSpace space = RunSpace.Prepare(_options.Run, Log, _context);
        string? package = space.RunFolder is null ? null : Path.Combine(space.RunFolder, "model");
        if (!_options.Run.Resume && Directory.Exists(package)) throw new RunExistsException(space.RunFolder!);
        long seed = _options.Run.Seed ?? space.Resumed?.Seed ?? host.Rand.Next();
        using PretrainedWeights? pretrained = _options.Pretrained?.Open();
        GptConfig shape = pretrained?.Weights.Config ?? _options.Model!;
        GptTokenizer tokenizer = pretrained?.Tokenizer ?? _options.Tokenizer!;
        TaskSequences.RequireRoom(_columns.Task, shape);
        if (pretrained is null) channel.Warning(MessageSensitivity.None, "No pretrained model is given: the GPT is trained from scratch, which needs far more labelled text.");

        // 2. Rows → sequences.
        TaskData all = TaskData.Read(trainSet, _columns, head, shape, tokenizer, trained: null, _options.Run.CancellationToken);
        Log($"training set: {all.Report}");
        (TaskData training, TaskData? validation) = validationSet is null
            ? all.Split(_options.Evaluation.ValidationFraction ?? 0, seed)
            : (all, TaskData.Read(validationSet, _columns, head, shape, tokenizer, (classes, values), _options.Run.CancellationToken));
        if (validationSet is not null) Log($"validation set: {validation!.Report}");
        IReadOnlyList<TaskExample> held = validation?.Examples ?? [];
        HeldOut.Require(_options.Evaluation, validationSet is not null, held.Count, all.Examples.Count, "labelled rows", 0,
            (problem, remedy) => new InvalidLabelsException(_columns.Label, $"{problem} {remedy}"), _columns.Objective.HasClasses ? "the share of each class is rounded" : null);
        RequireLabels(training, all.Report);
        IReadOnlyList<double>? classWeights = WeightsOf(training.Examples, classes);
        RequireKnownLabels(held, classWeights);

        // 3. The network: all of it is trained, or an adapter and the head, or the head alone.
        try
        {
            using TaskModel model = TaskModel.Create(pretrained, head, device, precision, seed, _options);
            model.Network.ActivationCheckpointing = _options.Run.ActivationCheckpointing;
            int? atOnce = _options.MicroBatchSize.Resolve(space.Resumed, () => TaskMicroBatch.Find(model, training.Examples, _options, Log));
            RunFolder? folder = space.FolderOf(seed, TaskFingerprint.Of(_options, head, atOnce, model, pretrained, training.Examples, classWeights, tokenizer, seed));
            long trainedCount = model.Sets.Sum(static set => set.Layout.Sum(static info => info.ElementCount)), total = TotalOf(model.Task);
            Log(string.Create(CultureInfo.InvariantCulture, $"{total:N0} parameters, {trainedCount:N0} of them trained, {precision} on {device}; {training.Examples.Count:N0} examples, {_options.Epochs} epochs, validation on {held.Count:N0}"));

            // 4. Train, and wrap what comes out: the master weights in float32, without gradients.
            (RunResult run, TaskEvaluation? evaluation) = new SupervisedTaskLoop(model, training.Examples, held, classes, classWeights, _options, atOnce, seed, folder, Log).Run(space.Resumed);
            RunState state = run.State;
            var result = new SupervisedTaskResult(run.History, state.Step, evaluation is { } e && double.IsFinite(e.Loss) ? e.Loss : null, evaluation?.Accuracy, state.BestStep, run.StoppedEarly, run.Cancelled, state.SkippedUpdates,
                all.Report, validationSet is null || held.Count == 0 ? null : validation!.Report, trainedCount, total)
            {
                LastCheckpoint = run.LastCheckpoint,
                BestCheckpoint = run.BestCheckpoint,
            };
            return Wrap(model, tokenizer, pretrained?.Companions, values, result, evaluation, package);
        }
        catch (Exception e) when (OutOfMemory.Is(e, out _))
        {
            // Weights, gradients or the optimizer's state; the loop itself says which micro-batch was too large.
            TaskExample longest = training.Examples.MaxBy(static example => example.Width)!;
            int examples = _options.MicroBatchSize.RowsOf(Math.Min(_options.BatchSize, training.Examples.Count));
            throw new TrainingMemory(shape, precision, device) { Dropout = _options.DropoutInUse, Frozen = _options.Lora is not null || _options.Freeze != FrozenWeights.None, ProjectionsTrained = _options.Freeze == FrozenWeights.None, ForwardOnly = _options.Freeze == FrozenWeights.AllButHead, Averaged = _options.Run.AverageDecay > 0, Checkpointed = _options.Run.ActivationCheckpointing }
                .TooSmall(examples * longest.Sequences.Length, longest.Width, e, lastCheckpoint: space.Resumed?.Checkpoint);
        }
    }

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return _columns.OutputShape(inputSchema, _options.Scoring);
    }

    /// <summary>The trained model as a transformer, and in the run's folder as an ONNX package beside a picture of its mistakes.</summary>
    private SupervisedTaskTransformer Wrap(TaskModel trained, GptTokenizer tokenizer, ModelCompanions? companions, LabelValues? values, SupervisedTaskResult result, TaskEvaluation? evaluation, string? package)
    {
        var model = new GptClassifier(new TorchTextClassifier(TaskNetwork.ForUse(trained.Task)), tokenizer, companions, backing: null);
        try
        {
            if (package is not null)
            {
                model.ExportOnnx(package);
                evaluation?.DrawConfusion(Path.Combine(Path.GetDirectoryName(package)!, "confusion.svg"), values?.Values ?? trained.Task.Head.Labels);
            }

            LabelValues? shown = values ?? (_columns.Form.ClassColumns(_columns.Texts) is { } names ? LabelValues.OfText(names) : null);
            return new(new ClassifyTextTransformer(_columns.Score, _columns.Texts, shown, model, _options.Scoring) { Environment = _context }, result);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private ClassifierHead HeadOf(int classes, LabelValues? values)
    {
        bool single = !_columns.Objective.HasClasses || !_columns.Form.HasOutputPerClass;
        if (!single && classes < 2)
            throw new InvalidLabelsException(_columns.Label, $"its key has {classes} value; a classification needs 2 or more classes.");
        if (_options.ClassWeights is { } weights && weights.Count != classes)
            throw new ArgumentException($"ClassWeights has {weights.Count} weights, and the label {classes} classes; give one for each class, in the order of their keys.", nameof(SupervisedTaskOptions.ClassWeights));
        return new ClassifierHead
        {
            Task = _columns.Task,
            Labels = single ? [] : values?.Values ?? [.. Enumerable.Range(0, classes).Select(static i => string.Create(CultureInfo.InvariantCulture, $"LABEL_{i}"))],
            IsRegression = _columns.IsRegression,
            Truncation = _options.Truncation,
            SpecialTokens = _options.SpecialTokens,
        }.Validate();
    }

    private void RequireLabels(TaskData training, SupervisedDataReport report)
    {
        if (training.Examples.Count == 0)
            throw new InvalidLabelsException(_columns.Label, $"none of the {report.Rows} rows has a label to train on ({report.MissingLabels} are missing). Label some rows, or name another column.");
        if (_columns.Objective.HasClasses && training.Examples.All(example => example.Label == training.Examples[0].Label))
            throw new InvalidLabelsException(_columns.Label, $"all {training.Examples.Count} labelled rows have the same class, number {training.Examples[0].Label + 1}. Add rows of another class.");
    }

    /// <summary>An evaluation without one example that has a loss tells nothing.</summary>
    private void RequireKnownLabels(IReadOnlyList<TaskExample> held, IReadOnlyList<double>? classWeights)
    {
        if (!_columns.Objective.HasClasses || held.Count == 0 || _options.Evaluation.Interval == 0) return;
        TaskExample[] read = [.. held.Take(_options.Evaluation.MaxRows ?? held.Count)];
        if (read.All(static example => example.Label < 0))
            throw new InvalidLabelsException(_columns.Label, $"none of the {read.Length} validation rows has a label that the training set knows. Make the keys of both sets with one fitted MapValueToKey, or give a validation set of the same classes.");
        if (classWeights is not null && read.All(example => example.Label < 0 || classWeights[example.Label] == 0))
            throw new InvalidLabelsException(_columns.Label, $"all {read.Length} validation rows are of classes whose weight is 0{(_options.BalanceClasses ? ", having no training row," : "")} or which the training set does not know. Give a validation set of classes that count.");
    }

    private double[]? WeightsOf(IReadOnlyList<TaskExample> examples, int classes)
    {
        if (!_options.BalanceClasses) return _options.ClassWeights is null ? null : [.. _options.ClassWeights];
        var counts = new int[classes];
        foreach (TaskExample example in examples) counts[example.Label]++;
        int present = counts.Count(static count => count > 0);
        return [.. counts.Select(count => count == 0 ? 0 : (double)examples.Count / ((double)present * count))];
    }

    private static long TotalOf(TaskNetwork network) => network.Network.Config.ParameterCount + network.Added.Sum(static set => set.Layout.Sum(static info => info.ElementCount));
}
