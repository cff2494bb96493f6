using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNet.Gpt;

/// <summary>
/// Teaches a policy from pairs of a chosen and a rejected response, without a reward model (Rafailov et al. 2023): rows → pairs with the reference's likelihoods → training → a transformer
/// that writes responses.
/// </summary>
/// <remarks>
/// <para>Create it with <c>ml.Gpt().Trainers.DirectPreference</c>. Immutable; <c>Fit</c> may be called again. Training uses the process's libtorch threads and random state.</para>
/// <para>
/// <see cref="TrainingProgress.Metrics"/> has, under TRL's names, means over the updates since the last report, each of its pairs' mean: <c>rewards/chosen</c> = β·(log π(y⁺|x) − log π_ref(y⁺|x));
/// <c>rewards/rejected</c> = β·(log π(y⁻|x) − log π_ref(y⁻|x)); <c>rewards/margins</c>, the one less the other; <c>rewards/accuracies</c>, 1 where the margin is above 0, ½ where it is 0, else 0;
/// <c>logps/chosen</c> = log π(y⁺|x); <c>logps/rejected</c> = log π(y⁻|x).
/// </para>
/// </remarks>
public sealed class DirectPreferenceTrainer : IEstimator<GptDirectPreferenceTransformer>
{
    private readonly MLContext _context;
    private readonly string _outputColumnName;
    private readonly RankedColumns _columns;
    private readonly DirectPreferenceOptions _options;

    internal DirectPreferenceTrainer(MLContext context, string outputColumnName, RankedColumns columns, DirectPreferenceOptions options)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentException.ThrowIfNullOrEmpty(outputColumnName);
        ArgumentNullException.ThrowIfNull(options);
        _context = context;
        _outputColumnName = outputColumnName;
        _columns = columns.Validate();
        _options = options.Validate();
        GenerateTextTransformer.CheckColumns(outputColumnName, columns.Prompt, options.Generation);
    }

    /// <summary>Trains on a view's rows; a share of the prompts is held out for validation.</summary>
    /// <param name="input">One pair a row.</param>
    /// <returns>The trained policy, which the caller disposes.</returns>
    /// <exception cref="ColumnMismatchException">A column is missing or does not hold text.</exception>
    /// <exception cref="PreferenceDataException">Both responses of a row are the same, one does not fit the context, a prompt is no conversation, or there is no row; or there is none to validate on, and an option needs it.</exception>
    /// <exception cref="TokenOutOfRangeException">A stop token of <see cref="DirectPreferenceOptions.Generation"/> is none of the tokenizer's.</exception>
    /// <exception cref="ChatTemplateException">The tokenizer lacks a special token of the chat template, or the policy's template is another program's and <see cref="DirectPreferenceOptions.ChatTemplate"/> names none.</exception>
    /// <exception cref="CheckpointNotFoundException">The policy's folder or a file of it is missing.</exception>
    /// <exception cref="CorruptFileException">A file of the policy, or of the run to resume, is not what its format says.</exception>
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
    /// <exception cref="OperationCanceledException"><see cref="RunOptions.CancellationToken"/> was cancelled before training began, while the data were read or the reference's likelihoods computed.</exception>
    public GptDirectPreferenceTransformer Fit(IDataView input) => Fit(input, null);

    /// <summary>Trains on one view's rows and validates on another's.</summary>
    /// <param name="trainSet">The pairs to train on.</param>
    /// <param name="validationSet">Those to validate on, of other prompts; null holds out a share of <paramref name="trainSet"/>'s prompts.</param>
    /// <returns>The trained policy, which the caller disposes.</returns>
    public GptDirectPreferenceTransformer Fit(IDataView trainSet, IDataView? validationSet)
    {
        ArgumentNullException.ThrowIfNull(trainSet);
        _columns.Check(trainSet.Schema);
        if (validationSet is not null) _columns.Check(validationSet.Schema);
        IHost host = ((IHostEnvironment)_context).Register("Gpt");
        using IChannel channel = host.Start("DirectPreference");
        void Log(string line) => channel.Info(MessageSensitivity.None, "{0}", line);

        // 1. Where to train, in what format, from which seed, and from which policy.
        GptDevice device = TrainingDevice.Resolve(_options.Run.Device, _context, Log);
        GptPrecision precision = PrecisionPolicy.Resolve(_options.Run.Precision, device);
        using Tf32Scope tf32 = Tf32Scope.Enter(_options.Run.AllowTf32, device);
        using RunSpace space = RunSpace.Prepare(_options.Run, Log, _context);
        long seed = _options.Run.Seed ?? space.Resumed?.Seed ?? host.Rand.Next();
        using PretrainedWeights pretrained = _options.Pretrained!.Open();
        pretrained.RequireKnown(_options.Generation.StopTokenIds);
        ChatTemplate? template = _options.Conversations ? pretrained.Companions.TemplateOr(_options.ChatTemplate) : null;
        template?.Validate(pretrained.Tokenizer);
        ModelCompanions companions = pretrained.Companions.With(template);

        // 2. Rows → pairs; all of a prompt's are on one side.
        GptConfig shape = pretrained.Weights.Config;
        var reader = new PreferencePairs(pretrained.Tokenizer, shape.ContextLength, companions, template, _options);
        IReadOnlyList<PreferencePair> all = reader.Read(trainSet, _columns);
        (IReadOnlyList<PreferencePair> training, IReadOnlyList<PreferencePair> validation) =
            validationSet is null ? PreferencePairs.Split(all, _options.Evaluation.ValidationFraction ?? 0.1, seed) : (all, HeldOut.Read(() => reader.Read(validationSet, _columns)));
        HeldOut.Require(_options.Evaluation, validationSet is not null, validation.Count, all.Select(static pair => pair.Prompt).Distinct().Count(), "prompts", 0.1, static (problem, remedy) => new PreferenceDataException(PreferenceDataProblem.Empty, null, null, problem, remedy));
        try
        {
            // 3. A copy of the policy to train. Before anything changes it, it is its own reference: a fresh adapter adds nothing yet.
            using FineTuningNetwork trained = FineTuningNetwork.Create(pretrained.Weights, _options.DropoutInUse, device, precision, _options.Lora, seed, companions);
            trained.Network.ActivationCheckpointing = _options.Run.ActivationCheckpointing;
            var model = new FineTuningModel(trained, pretrained.Tokenizer, template, pretrained.Folder);
            int? atOnce = _options.MicroBatchSize.Resolve(space.Resumed, () => DirectPreferenceMicroBatch.Find(model, training, _options, Log));
            RunFolder? folder = space.FolderOf(seed, DirectPreferenceFingerprint.Of(_options, atOnce, model, pretrained, training, seed));   // before the reference is computed
            training = Referenced(training);
            validation = Referenced(validation);
            var loop = new DirectPreferenceLoop(model, training, validation, _options, atOnce, seed, folder, Log);
            _options.OptimizerInUse.WarnOfWarmup(channel, loop.MaxSteps);
            long parameters = trained.Sets.Sum(static set => set.Layout.Sum(static info => info.ElementCount));
            Log(FormattableString.Invariant($"{parameters:N0} of {shape.ParameterCount:N0} parameters trained, {precision} on {device}; {training.Count:N0} pairs, {validation.Count:N0} for validation; {reader.TruncatedCount:N0} prompts cut to the context; {loop.MaxSteps:N0} updates"));

            // 4. Train, and wrap what comes out. Who cancels waits for no more passes over the data.
            RunResult run = loop.Run(space.Resumed);
            PreferenceMetrics? metrics = run.Cancelled || validation.Count == 0 ? null : DirectPreferenceEvaluation.Of(trained.Network, validation, atOnce ?? _options.BatchSize, _options, CancellationToken.None).Metrics;
            (double? reference, double? length) = validation.Count == 0 ? (null, null) : ((double?)DirectPreferenceEvaluation.ReferenceAccuracy(validation), (double?)DirectPreferenceEvaluation.LengthAccuracy(training, validation));
            if (metrics is not null) Log(FormattableString.Invariant($"validation: {metrics}; the policy before {reference:P1}, by length alone {length:P1}"));
            var result = new DirectPreferenceResult(run.History, run.State.Step, training.Count, validation.Count, reader.TruncatedCount, parameters, metrics, reference, length,
                run.State.BestStep, run.StoppedEarly, run.Cancelled, run.State.SkippedUpdates)
            {
                LastCheckpoint = run.LastCheckpoint,
                BestCheckpoint = run.BestCheckpoint,
            };
            var fitted = new GptModel(new TorchCausalModel(trained.ToNetwork(pretrained.Weights)), pretrained.Tokenizer, companions);
            return new(new GenerateTextTransformer(_outputColumnName, _columns.Prompt, fitted, _options.Generation) { Environment = _context }, fitted, result);

            IReadOnlyList<PreferencePair> Referenced(IReadOnlyList<PreferencePair> pairs)
            {
                PairLikelihoods[] reference = PreferencePass.Likelihoods(trained.Network, pairs, atOnce ?? _options.BatchSize, _options.LengthNormalized, _options.Run.CancellationToken);
                return [.. pairs.Select((pair, i) => pair with { Reference = reference[i] })];
            }
        }
        catch (Exception e) when (OutOfMemory.Is(e, out _))
        {
            // Weights, gradients, the optimizer's state or the reference; the loop itself says which micro-batch was too large.
            int pairs = _options.MicroBatchSize.RowsOf(Math.Min(_options.BatchSize, training.Count));
            throw new TrainingMemory(shape, precision, device) { Dropout = _options.DropoutInUse, Frozen = _options.Lora is not null, Averaged = _options.Run.AverageDecay > 0, Checkpointed = _options.Run.ActivationCheckpointing }
                .TooSmall(2 * pairs, training.Max(static pair => pair.Length), e, lastCheckpoint: space.Resumed?.Checkpoint);
        }
    }

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        _columns.Check(inputSchema);
        return TextColumnShape.Add(inputSchema, _columns.Prompt, GenerateTextTransformer.OutputsOf(_outputColumnName, _columns.Prompt, _options.Generation));
    }
}
