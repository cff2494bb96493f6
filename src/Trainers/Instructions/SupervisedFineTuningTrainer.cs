using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNet.Gpt;

/// <summary>
/// Teaches a pretrained GPT to complete prompts or to answer in conversations (supervised fine-tuning; Ouyang et al. 2022, section 3.5):
/// rows → examples → training on their completions → a transformer that writes completions.
/// </summary>
/// <remarks>Create it with <c>ml.Gpt().Trainers.SupervisedFineTuning</c>. Immutable; <c>Fit</c> may be called again. Training uses the process's libtorch threads and random state.</remarks>
public sealed class SupervisedFineTuningTrainer : IEstimator<GptSupervisedFineTuningTransformer>
{
    private readonly MLContext _context;
    private readonly string _outputColumnName;
    private readonly string _inputColumnName;
    private readonly string? _completionColumnName;
    private readonly SupervisedFineTuningOptions _options;

    internal SupervisedFineTuningTrainer(MLContext context, string outputColumnName, string inputColumnName, string? completionColumnName, SupervisedFineTuningOptions options)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentException.ThrowIfNullOrEmpty(outputColumnName);
        ArgumentException.ThrowIfNullOrEmpty(inputColumnName);
        ArgumentNullException.ThrowIfNull(options);
        _context = context;
        _outputColumnName = outputColumnName;
        _inputColumnName = inputColumnName;
        _completionColumnName = completionColumnName;
        _options = options.Validate();
        if (!options.Generation.StopAtEndOfText)
            throw new ArgumentException("Generation.StopAtEndOfText is false, and a completion ends with a token that generation has to stop at; leave it true.", nameof(options));
        if (completionColumnName is not null && options.Generation.PromptForm != PromptForm.Text)
            throw new ArgumentException($"Generation.PromptForm is {options.Generation.PromptForm}, and the prompts of a prompt column are texts; leave it at Text, or name one conversation column.", nameof(options));
        if (completionColumnName is not null && options.ChatTemplate is not null)
            throw new ArgumentException("ChatTemplate is set, and a prompt and a completion column are read, which need none; leave it null, or name one conversation column.", nameof(options));
        GenerateTextTransformer.CheckColumns(outputColumnName, inputColumnName, options.Generation);
    }

    /// <summary>Trains on a view's rows; a share of them is held out for validation.</summary>
    /// <param name="input">One example a row.</param>
    /// <returns>The trained model, which the caller disposes.</returns>
    /// <exception cref="ColumnMismatchException">A column is missing or does not hold text.</exception>
    /// <exception cref="TrainingExampleException">A completion is empty, a conversation is broken, an example is too long, or there is none; or there is none to validate on, and an option needs it.</exception>
    /// <exception cref="TokenOutOfRangeException">A stop token of <see cref="SupervisedFineTuningOptions.Generation"/> is none of the tokenizer's.</exception>
    /// <exception cref="ChatTemplateException">The tokenizer lacks a special token of the chat template, or the pretrained model's template is another program's and <see cref="SupervisedFineTuningOptions.ChatTemplate"/> names none.</exception>
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
    public GptSupervisedFineTuningTransformer Fit(IDataView input) => Fit(input, null);

    /// <summary>Trains on one view's rows and validates on another's.</summary>
    /// <param name="trainSet">The examples to train on.</param>
    /// <param name="validationSet">The examples to validate on; null holds out a share of <paramref name="trainSet"/>.</param>
    /// <returns>The trained model, which the caller disposes.</returns>
    public GptSupervisedFineTuningTransformer Fit(IDataView trainSet, IDataView? validationSet)
    {
        ArgumentNullException.ThrowIfNull(trainSet);
        CheckColumns(trainSet);
        if (validationSet is not null) CheckColumns(validationSet);
        IHost host = ((IHostEnvironment)_context).Register("Gpt");
        using IChannel channel = host.Start("SupervisedFineTuning");
        void Log(string line) => channel.Info(MessageSensitivity.None, "{0}", line);

        // 1. Where to train, in what format, from which seed, and from which model.
        GptDevice device = TrainingDevice.Resolve(_options.Run.Device, _context, Log);
        GptPrecision precision = PrecisionPolicy.Resolve(_options.Run.Precision, device);
        using Tf32Scope tf32 = Tf32Scope.Enter(_options.Run.AllowTf32, device);
        using RunSpace space = RunSpace.Prepare(_options.Run, Log, _context);
        long seed = _options.Run.Seed ?? space.Resumed?.Seed ?? host.Rand.Next();
        using PretrainedWeights pretrained = _options.Pretrained!.Open();
        GptTokenizer tokenizer = pretrained.Tokenizer;
        GptConfig shape = pretrained.Weights.Config;
        pretrained.RequireKnown(_options.Generation.StopTokenIds);
        ModelCompanions companions = pretrained.Companions;
        ChatTemplate? template = _completionColumnName is not null ? null
            : companions.TemplateOr(_options.ChatTemplate);
        companions = companions.With(template);

        // 2. Rows → examples.
        var reader = new SupervisedExamples(tokenizer, shape.ContextLength, companions, _options);
        List<SupervisedExample> training = Read(reader, trainSet, template);
        int count = training.Count;
        List<SupervisedExample> validation = validationSet is null ? HeldOut.Draw(training, _options.Evaluation.ValidationFraction ?? 0.1, seed) : HeldOut.Read(() => Read(reader, validationSet, template));
        HeldOut.Require(_options.Evaluation, validationSet is not null, validation.Count, count, "examples", 0.1, static (problem, remedy) => new TrainingExampleException(null, problem, remedy));

        // 3. A copy of the model to train.
        try
        {
            using FineTuningNetwork trained = FineTuningNetwork.Create(pretrained.Weights, _options.DropoutInUse, device, precision, _options.Lora, seed, companions);
            trained.Network.ActivationCheckpointing = _options.Run.ActivationCheckpointing;
            var model = new FineTuningModel(trained, tokenizer, template, pretrained.Folder);
            int? rowsAtOnce = _options.MicroBatchSize.Resolve(space.Resumed, () => SupervisedMicroBatch.Find(model, training, _options, Log));
            RunFolder? folder = space.FolderOf(seed, FineTuningFingerprint.Of(_options, rowsAtOnce, pretrained.Weights, training, tokenizer, precision, device, seed));
            var loop = new SupervisedFineTuningLoop(model, training, validation, _options, rowsAtOnce, seed, folder, Log);
            _options.OptimizerInUse.WarnOfWarmup(channel, loop.MaxSteps);
            long parameters = trained.Sets.Sum(static set => set.Layout.Sum(static info => info.ElementCount));
            Log(FormattableString.Invariant($"{parameters:N0} of {shape.ParameterCount:N0} parameters trained, {precision} on {device}; {training.Count:N0} examples of {training.Average(static e => e.TokenIds.Length):F0} tokens, {training.Average(static e => e.TargetCount):F0} of them completion, {validation.Count:N0} for validation; {reader.TruncatedCount} cut to the context, {reader.LeftOutCount} left out; {loop.MaxSteps:N0} updates"));

            // 4. Train, and wrap what comes out.
            RunResult run = loop.Run(space.Resumed);
            RunState state = run.State;
            var result = new FineTuningResult(run.History, state.Step, training.Count, validation.Count, reader.TruncatedCount, reader.LeftOutCount, parameters,
                run.TrainingLoss, state.ValidationLoss, state.BestValidationLoss, state.BestStep, run.StoppedEarly, run.Cancelled, state.SkippedUpdates)
            {
                LastCheckpoint = run.LastCheckpoint,
                BestCheckpoint = run.BestCheckpoint,
            };
            var fitted = new GptModel(new TorchCausalModel(trained.ToNetwork(pretrained.Weights)), tokenizer, companions);
            return new(Generator(fitted, template), fitted, result);
        }
        catch (Exception e) when (OutOfMemory.Is(e, out _))
        {
            // Weights, gradients or the optimizer's state; the loop itself says which micro-batch was too large.
            throw new TrainingMemory(shape, precision, device) { Dropout = _options.DropoutInUse, Frozen = _options.Lora is not null, Averaged = _options.Run.AverageDecay > 0, Checkpointed = _options.Run.ActivationCheckpointing }
                .TooSmall(_options.MicroBatchSize.RowsOf(Math.Min(_options.BatchSize, training.Count)), training.Max(static e => e.Length), e, lastCheckpoint: space.Resumed?.Checkpoint);
        }
    }

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return TextColumnShape.Add(inputSchema, _inputColumnName, GenerateTextTransformer.OutputsOf(_outputColumnName, _inputColumnName, _options.Generation));
    }

    private void CheckColumns(IDataView view)
    {
        TextColumnMapper.FindText(_inputColumnName, view.Schema);
        if (_completionColumnName is not null) TextColumnMapper.FindText(_completionColumnName, view.Schema);
    }

    private List<SupervisedExample> Read(SupervisedExamples reader, IDataView view, ChatTemplate? template) => template is null
        ? reader.ReadPairs(view, _inputColumnName, _completionColumnName!)
        : reader.ReadConversations(view, _inputColumnName, template);

    /// <summary>
    /// Prompts mean what they meant in training. Generation ends where a completion ended there: at the end-of-text token, or at the one that ends a
    /// turn, which the model's chat template names.
    /// </summary>
    private GenerateTextTransformer Generator(GptModel model, ChatTemplate? template) => new(
        _outputColumnName, _inputColumnName, model, _options.Generation with { PromptForm = template is null ? PromptForm.Text : PromptForm.Conversation })
    {
        Environment = _context,
    };
}
