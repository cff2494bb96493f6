using System.Text;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNet.Gpt;

/// <summary>
/// Trains a reward model from graded responses (Ouyang et al. 2022, section 3.5): rows → prompts with their responses → training on all pairs → a transformer that scores
/// responses, as ML.NET's own rankers do.
/// </summary>
/// <remarks>
/// Create it with <c>ml.Gpt().Trainers.RewardModel</c> or <c>RewardModelFromPairs</c>. Immutable; <c>Fit</c> may be called again. Training uses the process's libtorch threads and
/// random state.
/// </remarks>
public sealed class RewardModelTrainer : IEstimator<GptRewardModelTransformer>
{
    private readonly MLContext _context;
    private readonly RankedColumns _columns;
    private readonly string _scoreColumnName;
    private readonly RewardModelOptions _options;

    internal RewardModelTrainer(MLContext context, RankedColumns columns, string scoreColumnName, RewardModelOptions options)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentException.ThrowIfNullOrEmpty(scoreColumnName);
        _context = context;
        _columns = columns.Validate();
        _scoreColumnName = scoreColumnName;
        _options = options.Validate();
        if (columns.Rejected is not null && options.GradeOrder != GradeOrder.HigherIsBetter)
            throw new ArgumentException($"{nameof(options.GradeOrder)} is {options.GradeOrder}, and pairs have no grades; name the better response's column as chosenColumnName, and leave {nameof(options.GradeOrder)} at {GradeOrder.HigherIsBetter}.", nameof(options));
        ScoreResponseTransformer.OutputsOf(scoreColumnName, options.Scoring);
    }

    /// <summary>Trains on a view's rows; a share of the prompts is held out for validation.</summary>
    /// <param name="input">One response a row, a group's rows in any order; or one pair a row.</param>
    /// <returns>The trained model, which the caller disposes.</returns>
    /// <exception cref="ColumnMismatchException">A column is missing or has another type.</exception>
    /// <exception cref="PreferenceDataException">A prompt has one response, the same one only, or all of the same grade; a grade is not finite; a response does not fit the context; there is no row; or there is none to validate on, and an option needs it.</exception>
    /// <exception cref="ChatTemplateException">The tokenizer lacks a special token of the chat template.</exception>
    /// <exception cref="CheckpointNotFoundException">The pretrained model's folder or a file of it is missing.</exception>
    /// <exception cref="CorruptFileException">A file of the pretrained model, or of the run to resume, is not what its format says.</exception>
    /// <exception cref="DeviceUnavailableException">A GPU was asked for that isn't there.</exception>
    /// <exception cref="NativeLibraryException">libtorch isn't there.</exception>
    /// <exception cref="FolderNotWritableException">The run folder can't be written.</exception>
    /// <exception cref="ConcurrentWriteException">Another run is under way in the run folder.</exception>
    /// <exception cref="RunExistsException">The run folder holds a run, and <see cref="RunOptions.Resume"/> is off.</exception>
    /// <exception cref="ResumeMismatchException">The run to resume had other options, data or pretrained weights.</exception>
    /// <exception cref="TrainingOutOfMemoryException">The memory is too small; the message has the numbers and what to lower.</exception>
    /// <exception cref="DiskFullException">There is no room for a checkpoint; the last one is whole.</exception>
    /// <exception cref="TrainingDivergedException">The loss or the gradient was not finite too many times in a row.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The epochs have more updates than a run can count, <see cref="int.MaxValue"/>.</exception>
    /// <exception cref="OperationCanceledException"><see cref="RunOptions.CancellationToken"/> was cancelled before training began, while the data were read.</exception>
    public GptRewardModelTransformer Fit(IDataView input) => Fit(input, null);

    /// <summary>Trains on one view's rows and validates on another's.</summary>
    /// <param name="trainSet">The graded responses to train on.</param>
    /// <param name="validationSet">Those to validate on, of other prompts; null holds out a share of <paramref name="trainSet"/>'s prompts.</param>
    /// <returns>The trained model, which the caller disposes.</returns>
    public GptRewardModelTransformer Fit(IDataView trainSet, IDataView? validationSet)
    {
        ArgumentNullException.ThrowIfNull(trainSet);
        _columns.Check(trainSet.Schema);
        if (validationSet is not null) _columns.Check(validationSet.Schema);
        IHost host = ((IHostEnvironment)_context).Register("Gpt");
        using IChannel channel = host.Start("RewardModel");
        void Log(string line) => channel.Info(MessageSensitivity.None, "{0}", line);

        // 1. Where to train, in what format, from which seed, and from which model.
        GptDevice device = TrainingDevice.Resolve(_options.Run.Device, _context, Log);
        GptPrecision precision = PrecisionPolicy.Resolve(_options.Run.Precision, device);
        using Tf32Scope tf32 = Tf32Scope.Enter(_options.Run.AllowTf32, device);
        using RunSpace space = RunSpace.Prepare(_options.Run, Log, _context);
        string? package = space.RunFolder is null ? null : Path.Combine(space.RunFolder, "model");
        if (!_options.Run.Resume && Directory.Exists(package)) throw new RunExistsException(space.RunFolder!);
        long seed = _options.Run.Seed ?? space.Resumed?.Seed ?? host.Rand.Next();
        using PretrainedWeights pretrained = _options.Pretrained!.Open();
        GptConfig shape = pretrained.Weights.Config;
        ChatTemplate? template = _options.Head.Conversations ? pretrained.Companions.TemplateOr(_options.ChatTemplate) : null;

        // 2. Rows → prompts with their responses.
        RankedData all = Read(trainSet, shape, pretrained.Tokenizer, template);
        RankedData? other = validationSet is null ? null : HeldOut.Read(() => Read(validationSet, shape, pretrained.Tokenizer, template));
        (IReadOnlyList<RankedGroup> training, IReadOnlyList<RankedGroup> validation) = other is null ? HeldOut.Split(all.Groups, _options.Evaluation.ValidationFraction ?? 0.1, seed) : (all.Groups, other.Groups);
        HeldOut.Require(_options.Evaluation, validationSet is not null, validation.Count, all.Groups.Count, "prompts", 0.1, static (problem, remedy) => new PreferenceDataException(PreferenceDataProblem.Empty, null, null, problem, remedy));

        // 3. A copy of the model to train, with a head.
        try
        {
            using RewardTrainedModel model = RewardTrainedModel.Create(pretrained, template, device, precision, seed, _options);
            model.Network.ActivationCheckpointing = _options.Run.ActivationCheckpointing;
            int? atOnce = _options.MicroBatchSize.Resolve(space.Resumed, () => RewardMicroBatch.Find(model, training, _options, Log));
            RunFolder? folder = space.FolderOf(seed, RewardFingerprint.Of(_options, atOnce, model, pretrained, training, seed));
            var loop = new RewardModelLoop(model, training, validation, _options, atOnce, seed, folder, Log);
            _options.OptimizerInUse.WarnOfWarmup(channel, loop.MaxSteps);
            long trained = model.Sets.Sum(static set => set.Layout.Sum(static info => info.ElementCount)), total = shape.ParameterCount + model.Reward.Added.Sum(static set => set.Layout.Sum(static info => info.ElementCount));
            int responses = training.Sum(static group => group.Responses.Length), truncated = all.TruncatedResponses + (other?.TruncatedResponses ?? 0);
            Log(FormattableString.Invariant($"{trained:N0} of {total:N0} parameters trained, {precision} on {device}; {training.Count:N0} prompts with {responses:N0} responses, {validation.Count:N0} prompts for validation; {truncated:N0} prompts cut to the context; {loop.MaxSteps:N0} updates"));

            // 4. Train; move the rewards so that the references average 0; wrap what comes out: the weights in float32, without gradients. Who cancels waits for no more passes over the data.
            RunResult run = loop.Run(space.Resumed);
            double shift = run.Cancelled ? 0 : -RewardEvaluation.ReferenceMean(model.Reward, training, _options.References, atOnce ?? _options.BatchSize, CancellationToken.None);
            model.Reward.Shift(shift);
            PreferenceMetrics? metrics = run.Cancelled || validation.Count == 0 ? null : RewardEvaluation.Of(model.Reward, validation, atOnce ?? _options.BatchSize, CancellationToken.None).Metrics;
            double? length = validation.Count == 0 ? null : RewardEvaluation.LengthAccuracy(training, validation);
            if (metrics is not null) Log(FormattableString.Invariant($"validation: {metrics}; by length alone {length:P1}; rewards moved by {shift:F3}"));
            var result = new RewardModelResult(run.History, run.State.Step, training.Count, responses, validation.Count, truncated, trained, total, metrics, length, shift,
                run.State.BestStep, run.StoppedEarly, run.Cancelled, run.State.SkippedUpdates)
            {
                LastCheckpoint = run.LastCheckpoint,
                BestCheckpoint = run.BestCheckpoint,
            };
            return Wrap(model, pretrained.Tokenizer, template, result, package);
        }
        catch (Exception e) when (OutOfMemory.Is(e, out _))
        {
            // Weights, gradients or the optimizer's state; the loop itself says which micro-batch was too large.
            RankedGroup largest = training.MaxBy(static group => (long)group.Width * group.Responses.Length)!;
            int prompts = _options.MicroBatchSize.RowsOf(Math.Min(_options.BatchSize, training.Count));
            throw new TrainingMemory(shape, precision, device) { Dropout = _options.DropoutInUse, Frozen = _options.Lora is not null || _options.Freeze != FrozenWeights.None, ProjectionsTrained = _options.Freeze == FrozenWeights.None, ForwardOnly = _options.IsForwardOnly, Averaged = _options.Run.AverageDecay > 0, Checkpointed = _options.Run.ActivationCheckpointing }
                .TooSmall(prompts * largest.Responses.Length, largest.Width, e, lastCheckpoint: space.Resumed?.Checkpoint);
        }
    }

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        _columns.Check(inputSchema);
        return TextColumnShape.Add(inputSchema, [new TextInput(_columns.Prompt), new TextInput(_columns.Response)], ScoreResponseTransformer.OutputsOf(_scoreColumnName, _options.Scoring));
    }

    private RankedData Read(IDataView view, GptConfig shape, GptTokenizer tokenizer, ChatTemplate? template) =>
        RankedData.Read(view, _columns, _options.GradeOrder, _options.Head, shape, tokenizer, template, _options.Run.CancellationToken);

    /// <summary>The trained model as a transformer, and in the run's folder as an ONNX package beside a picture of its calibration.</summary>
    private GptRewardModelTransformer Wrap(RewardTrainedModel trained, GptTokenizer tokenizer, ChatTemplate? template, RewardModelResult result, string? package)
    {
        var model = new GptRewardModel(new TorchRewardModel(RewardNetwork.ForUse(trained.Reward), tokenizer), tokenizer, template);
        try
        {
            if (package is not null)
            {
                model.ExportOnnx(package);
                if (result.Validation is { } metrics)
                {
                    string title = FormattableString.Invariant($"reward model, {metrics.Pairs} held-out pairs");
                    AtomicFile.Write(Path.Combine(Path.GetDirectoryName(package)!, "calibration.svg"), stream => stream.Write(Encoding.UTF8.GetBytes(CalibrationPicture.ToSvg(metrics.Calibration, title))));
                }
            }

            return new(new ScoreResponseTransformer(_scoreColumnName, _columns.Prompt, _columns.Response, model, _options.Scoring) { Environment = _context }, result);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }
}
