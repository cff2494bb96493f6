using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNet.Gpt;

/// <summary>
/// Pretrains a GPT on a text column (Radford et al. 2018, section 3.1): documents → tokens → packed rows → training → a
/// transformer that scores text and gives out the model.
/// </summary>
/// <remarks>Create it with <c>ml.Gpt().Trainers.LanguageModel</c>. Immutable; <c>Fit</c> may be called again. Training uses the process's libtorch threads and random state.</remarks>
public sealed class LanguageModelTrainer : IEstimator<GptLanguageModelTransformer>
{
    private const string OutputColumnName = "LogLikelihood";

    private readonly MLContext _context;
    private readonly string _inputColumnName;
    private readonly LanguageModelOptions _options;

    internal LanguageModelTrainer(MLContext context, string inputColumnName, LanguageModelOptions options)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentException.ThrowIfNullOrEmpty(inputColumnName);
        ArgumentNullException.ThrowIfNull(options);
        _context = context;
        _inputColumnName = inputColumnName;
        _options = options.Validate();
    }

    /// <summary>Trains on a text column; a share of its documents is held out for validation.</summary>
    /// <param name="input">The documents, one a row. Copies are removed; empty ones are counted and left out.</param>
    /// <returns>The trained model, which the caller disposes.</returns>
    /// <exception cref="ColumnMismatchException">The column is missing or does not hold text.</exception>
    /// <exception cref="EmptyCorpusException">There is no text, or less than one row of it; or there is none to validate on, and an option needs it.</exception>
    /// <exception cref="DeviceUnavailableException">A GPU was asked for that isn't there.</exception>
    /// <exception cref="NativeLibraryException">libtorch isn't there.</exception>
    /// <exception cref="FolderNotWritableException">The run folder can't be written.</exception>
    /// <exception cref="ConcurrentWriteException">Another run is under way in the run folder.</exception>
    /// <exception cref="RunExistsException">The run folder holds a run, and <see cref="RunOptions.Resume"/> is off.</exception>
    /// <exception cref="ResumeMismatchException">The run to resume had other options.</exception>
    /// <exception cref="TrainingOutOfMemoryException">The memory is too small; the message has the numbers and what to lower.</exception>
    /// <exception cref="DiskFullException">There is no room for a checkpoint; the last one is whole.</exception>
    /// <exception cref="TrainingDivergedException">The loss or the gradient was not finite too many times in a row.</exception>
    /// <exception cref="OperationCanceledException"><see cref="RunOptions.CancellationToken"/> was cancelled before training began, while the data were read.</exception>
    public GptLanguageModelTransformer Fit(IDataView input) => Fit(input, null);

    /// <summary>Trains on one text column and validates on another view's column of that name.</summary>
    /// <param name="trainSet">The documents to train on.</param>
    /// <param name="validationSet">The documents to validate on; null holds out a share of <paramref name="trainSet"/>.</param>
    /// <returns>The trained model, which the caller disposes.</returns>
    public GptLanguageModelTransformer Fit(IDataView trainSet, IDataView? validationSet)
    {
        ArgumentNullException.ThrowIfNull(trainSet);
        TextColumnMapper.FindText(_inputColumnName, trainSet.Schema);
        if (validationSet is not null) TextColumnMapper.FindText(_inputColumnName, validationSet.Schema);
        IHost host = ((IHostEnvironment)_context).Register("Gpt");
        using IChannel channel = host.Start("LanguageModel");
        void Log(string line) => channel.Info(MessageSensitivity.None, "{0}", line);

        // 1. Where to train, in what format, from which seed.
        GptDevice device = TrainingDevice.Resolve(_options.Run.Device, _context, Log);
        GptPrecision precision = PrecisionPolicy.Resolve(_options.Run.Precision, device);
        using Tf32Scope tf32 = Tf32Scope.Enter(_options.Run.AllowTf32, device);
        using RunSpace space = RunSpace.Prepare(_options.Run, Log, _context);
        long seed = _options.Run.Seed ?? space.Resumed?.Seed ?? host.Rand.Next();

        // 2. Text → tokenizer → token files.
        var corpusOptions = new CorpusOptions
        {
            ValidationFraction = validationSet is null ? _options.Evaluation.ValidationFraction ?? 0.1 : 0,
            Split = _options.SplitByPosition ? CorpusSplit.ByPosition : CorpusSplit.ByDocument,
            Seed = seed,
        };
        HeldOut.Require(_options.Evaluation, validationSet is not null, validationSet is null && corpusOptions.ValidationFraction == 0 ? 0 : 1, 0, "documents", 0.1, static (problem, remedy) => new EmptyCorpusException($"{problem} {remedy}"));
        GptTokenizer tokenizer = _options.Tokenizer ?? TrainTokenizer(trainSet, corpusOptions, Log);
        using Corpus corpus = Corpus.Build(TextColumn.Read(trainSet, _inputColumnName), tokenizer, space.CorpusFolder, corpusOptions, cancellationToken: _options.Run.CancellationToken);
        using Corpus? validation = validationSet is null
            ? null
            : HeldOut.Read(() => Corpus.Build(TextColumn.Read(validationSet, _inputColumnName), tokenizer, space.ValidationFolder, corpusOptions with { ValidationFraction = 0 }, cancellationToken: _options.Run.CancellationToken));
        Log(corpus.Report.ToString());
        LanguageModelOptions options = FitVocabulary(tokenizer, Log);
        var trainingRows = new PackedRows(corpus.Train, options.Model.ContextLength, "The training set");
        PackedRows? validationRows = validation is not null ? new(validation.Train, options.Model.ContextLength, "The validation set", "Give it more text.")
            : corpus.Validation is null ? null
            : new(corpus.Validation, options.Model.ContextLength, FormattableString.Invariant($"The validation set, an Evaluation.{nameof(EvaluationOptions.ValidationFraction)} of {corpusOptions.ValidationFraction} of {corpus.Report.TrainDocuments + corpus.Report.ValidationDocuments} documents,"),
                "Raise it or set it to 0 for no validation, add text, or give Fit a validation set.");

        // 3. A fresh network; a run to resume has its micro-batch too: another one would give other losses.
        string dataHash = Fingerprint.HashOfFile(corpus.Train.Path);
        IReadOnlyList<int>? microBatches = TrainingPlan.Recorded(options, space.Resumed?.OptionOf(Fingerprint.MicroBatchSize));
        if (space.Resumed is not null) FolderOf(TrainingPlan.Of(options, microBatches ?? [.. TrainingPlan.StagesOf(options).Select(static s => s.BatchSize)]));   // before anything is computed
        DropoutOptions dropout = options.Run.Dropout ?? DropoutOptions.None;
        var memory = new TrainingMemory(options.Model, precision, device) { Dropout = dropout, Averaged = options.Run.AverageDecay > 0, Checkpointed = options.Run.ActivationCheckpointing };
        GptNetwork? network = null;
        try
        {
            network = new(dropout.RecordIn(options.Model), device, seed, precision, options.ResidualInitializerScale) { Dropout = dropout, ActivationCheckpointing = options.Run.ActivationCheckpointing };

            // 4. Train, and wrap what comes out.
            if (microBatches is null && TrainingPlan.NeedsSearch(options)) microBatches = StageMicroBatches.Find(network, options, memory, Log);
            TrainingPlan plan = TrainingPlan.Of(options, microBatches);
            LogPlan(options, plan, network, trainingRows, validationRows, Log);
            options.Optimizer.WarnOfWarmup(channel, options.MaxSteps);
            var loop = new PretrainingLoop(new(network, tokenizer), trainingRows, validationRows, options, seed, FolderOf(plan), Log, plan)
            {
                BytesPerToken = validationRows is null || options.Evaluation.Interval == 0 ? null : Evaluation.BytesPerToken(validationRows, options.Evaluation.MaxRows, tokenizer),
            };
            PretrainingResult result = loop.Run(space.Resumed);

            // What was trained in bfloat16 is used in float32, without gradients: the master weights, as they are saved and exported.
            var model = new GptModel(new TorchCausalModel(GptNetwork.FromWeights(network, device, GptPrecision.Float32, trainable: false)), tokenizer);
            return new(_context.Gpt().Transforms.ScoreText(OutputColumnName, _inputColumnName, model).Fit(trainSet), model, result);
        }
        catch (Exception e) when (OutOfMemory.Is(e, out _))
        {
            // Weights, gradients or the optimizer's state; the loop itself says which micro-batch was too large.
            throw memory.TooSmall(options.MicroBatchSize.RowsOf(options.BatchSize), options.Model.ContextLength, e, lastCheckpoint: space.Resumed?.Checkpoint);
        }
        finally
        {
            network?.Dispose();
        }

        RunFolder? FolderOf(TrainingPlan plan) =>
            space.FolderOf(seed, PretrainingFingerprint.Of(options, plan, precision, device, seed, tokenizer.Hash, dataHash));
    }

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return TextColumnShape.Add(inputSchema, _inputColumnName, ScoreTextTransformer.OutputsOf(OutputColumnName, _inputColumnName, new()));
    }

    private GptTokenizer TrainTokenizer(IDataView input, CorpusOptions corpusOptions, Action<string> log)
    {
        GptTokenizer tokenizer = GptTokenizer.TrainBytePairEncoding(
            Corpus.TrainingTexts(TextColumn.Read(input, _inputColumnName), corpusOptions),
            new() { VocabularySize = _options.Model.VocabularySize },
            cancellationToken: _options.Run.CancellationToken);
        log($"trained a byte-level BPE of {tokenizer.VocabularySize} tokens");
        return tokenizer;
    }

    /// <summary>A vocabulary that was to be trained may have come out smaller than asked for.</summary>
    private LanguageModelOptions FitVocabulary(GptTokenizer tokenizer, Action<string> log)
    {
        if (_options.Tokenizer is not null || tokenizer.VocabularySize == _options.Model.VocabularySize) return _options;
        log($"the text gives {tokenizer.VocabularySize} tokens, not the {_options.Model.VocabularySize} asked for; the model's vocabulary follows");
        return _options with { Model = _options.Model with { VocabularySize = tokenizer.VocabularySize } };
    }

    private static void LogPlan(LanguageModelOptions options, TrainingPlan plan, GptNetwork network, PackedRows training, PackedRows? validation, Action<string> log)
    {
        GptConfig model = network.Config;
        long tokensPerStep = plan.Stages[^1].TokensPerStep;
        foreach (PlannedStage stage in plan.Stages.Take(plan.Stages.Count - 1)) log($"first {stage}");
        log(FormattableString.Invariant($"{model.ParameterCount:N0} parameters, {network.Precision} on {network.Device}; {tokensPerStep:N0} tokens a step, {plan.TokensOf(options.MaxSteps) / (double)training.TokenCount:F1} passes over {training.TokenCount:N0} training tokens; {model.FlopsPerToken * tokensPerStep:E2} FLOP a step; validation on {validation?.RowCount ?? 0:N0} rows"));
    }
}
