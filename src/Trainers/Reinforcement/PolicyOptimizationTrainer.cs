using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNet.Gpt;

/// <summary>
/// Optimises a policy towards a reward (Ouyang et al. 2022, section 3.5; GRPO, RLOO): prompts → responses of the policy → rewards → updates → a transformer that writes responses.
/// </summary>
/// <remarks>Create it with <c>ml.Gpt().Trainers.PolicyOptimization</c>. Immutable; <c>Fit</c> may be called again. Training uses the process's libtorch threads and random state.</remarks>
public sealed class PolicyOptimizationTrainer : IEstimator<GptPolicyTransformer>
{
    private readonly MLContext _context;
    private readonly string _promptColumnName;
    private readonly string _responseColumnName;
    private readonly PolicyOptimizationOptions _options;

    internal PolicyOptimizationTrainer(MLContext context, string promptColumnName, string responseColumnName, PolicyOptimizationOptions options)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentException.ThrowIfNullOrEmpty(promptColumnName);
        ArgumentException.ThrowIfNullOrEmpty(responseColumnName);
        ArgumentNullException.ThrowIfNull(options);
        (_context, _promptColumnName, _responseColumnName, _options) = (context, promptColumnName, responseColumnName, options.Validate());
        GenerateTextTransformer.CheckColumns(responseColumnName, promptColumnName, options.Generation);
    }

    /// <summary>Trains on a view's prompts.</summary>
    /// <param name="input">One prompt a row; responses are not read.</param>
    /// <returns>The policy, which the caller disposes.</returns>
    /// <exception cref="ColumnMismatchException">The column is missing or does not hold text.</exception>
    /// <exception cref="TrainingExampleException">A prompt leaves no room for a response, is no conversation that waits for an answer, or there is none; or there is none to validate on, and an option needs it.</exception>
    /// <exception cref="PolicyRewardException">A reward function threw, or gave something else than a finite number for each response; the run's last state is saved.</exception>
    /// <exception cref="TokenizerMismatchException">A reward model, the reference or the token file of the mix has another tokenizer.</exception>
    /// <exception cref="TensorMismatchException">The reference has another shape than the policy.</exception>
    /// <exception cref="TokenOutOfRangeException">A stop token of <see cref="PolicyOptimizationOptions.Generation"/> is none of the tokenizer's.</exception>
    /// <exception cref="ChatTemplateException">The tokenizer lacks a special token of the chat template, or a reward model reads prompts in another form.</exception>
    /// <exception cref="EmptyCorpusException">The corpus of the mix has less than one row of text.</exception>
    /// <exception cref="CheckpointNotFoundException">The pretrained model's folder or a file of it is missing.</exception>
    /// <exception cref="CorruptFileException">A file of a model, or of the run to resume, is not what its format says.</exception>
    /// <exception cref="DeviceUnavailableException">A GPU was asked for that isn't there.</exception>
    /// <exception cref="NativeLibraryException">libtorch isn't there.</exception>
    /// <exception cref="FolderNotWritableException">The run folder can't be written.</exception>
    /// <exception cref="ConcurrentWriteException">Another run is under way in the run folder.</exception>
    /// <exception cref="RunExistsException">The run folder holds a run, and <see cref="RunOptions.Resume"/> is off.</exception>
    /// <exception cref="ResumeMismatchException">The run to resume had other options, data, rewards or weights.</exception>
    /// <exception cref="TrainingOutOfMemoryException">The memory is too small; the message has the numbers and what to lower.</exception>
    /// <exception cref="DiskFullException">There is no room for a checkpoint; the last one is whole.</exception>
    /// <exception cref="TrainingDivergedException">The loss, the gradient or the policy itself was not finite too many times in a row.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The episodes have more updates than a run can count, <see cref="int.MaxValue"/>.</exception>
    /// <exception cref="OperationCanceledException"><see cref="RunOptions.CancellationToken"/> was cancelled before training began, while the data were read.</exception>
    public GptPolicyTransformer Fit(IDataView input) => Fit(input, null);

    /// <summary>Trains on one view's prompts and validates on another's.</summary>
    /// <param name="trainSet">The prompts to train on.</param>
    /// <param name="validationSet">Those to validate on; null holds out a share of <paramref name="trainSet"/> where <see cref="EvaluationOptions.ValidationFraction"/> is set.</param>
    /// <returns>The policy, which the caller disposes.</returns>
    public GptPolicyTransformer Fit(IDataView trainSet, IDataView? validationSet)
    {
        ArgumentNullException.ThrowIfNull(trainSet);
        TextColumnMapper.FindText(_promptColumnName, trainSet.Schema);
        if (validationSet is not null) TextColumnMapper.FindText(_promptColumnName, validationSet.Schema);
        IHost host = ((IHostEnvironment)_context).Register("Gpt");
        using IChannel channel = host.Start("PolicyOptimization");
        void Log(string line) => channel.Info(MessageSensitivity.None, "{0}", line);

        // 1. Where to train, in what format, from which seed, from which policy, towards which reward.
        GptDevice device = TrainingDevice.Resolve(_options.Run.Device, _context, Log);
        GptPrecision precision = PrecisionPolicy.Resolve(_options.Run.Precision, device);
        using Tf32Scope tf32 = Tf32Scope.Enter(_options.Run.AllowTf32, device);
        using RunSpace space = RunSpace.Prepare(_options.Run, Log, _context);
        long seed = _options.Run.Seed ?? space.Resumed?.Seed ?? host.Rand.Next();
        using PretrainedWeights pretrained = _options.Pretrained!.Open();
        using PretrainedWeights? reference = _options.Reference?.Open();
        GptTokenizer tokenizer = pretrained.Tokenizer;
        GptConfig shape = pretrained.Weights.Config;
        if (reference is not null) RequireSame(reference, pretrained);
        pretrained.RequireKnown(_options.Generation.StopTokenIds);
        ChatTemplate? template = _options.Generation.PromptForm == PromptForm.Conversation ? pretrained.Companions.TemplateOr(_options.ChatTemplate) : null;
        template?.Validate(tokenizer);
        using var rewards = new RewardScorer(_options.Reward, tokenizer, template, device);
        RewardNetwork? start = _options.Algorithm == PolicyAlgorithm.Ppo ? rewards.Network : null;

        // 2. Rows → prompts; the text of the mix → packed rows.
        var reader = new PolicyPrompts(tokenizer, pretrained.Companions.BeginTokenId ?? tokenizer.EndOfTextId, template, Math.Min(shape.ContextLength, start?.Config.ContextLength ?? int.MaxValue), rewards.Models, _options);
        List<PolicyPrompt> training = reader.Read(trainSet, _promptColumnName);
        int count = training.Count;
        List<PolicyPrompt> validation = validationSet is null ? HeldOut.Draw(training, _options.Evaluation.ValidationFraction ?? 0, seed) : HeldOut.Read(() => reader.Read(validationSet, _promptColumnName));
        HeldOut.Require(_options.Evaluation, validationSet is not null, validation.Count, count, "prompts", 0, static (problem, remedy) => new TrainingExampleException(null, problem, remedy));
        using TokenFile? text = OpenMix(space, tokenizer, shape);
        PackedRows? mix = text is null ? null : new(text, shape.ContextLength, "The text of PretrainingMix");

        // 3. The policy, its reference and its value model.
        try
        {
            using PolicyTrainedModel model = PolicyTrainedModel.Create(pretrained, reference, start, template, device, precision, seed, _options);
            model.Network.ActivationCheckpointing = _options.Run.ActivationCheckpointing;
            if (model.Value is { } value) value.Network.ActivationCheckpointing = _options.Run.ActivationCheckpointing;
            int? atOnce = _options.MicroBatchSize.Resolve(space.Resumed, () => PolicyMicroBatch.Find(model, training, _options, Log));
            int[] ends = [.. _options.Generation.StopTokenIds.Concat(pretrained.Companions.Generation.StopTokenIds).Concat(template is null ? [] : [template.EndOfTurnId(tokenizer)]).Distinct()];
            var rollouts = new PolicyRollouts(model, new PolicySampler(model.Network, tokenizer, ends, _options.Rollout), rewards, training, _options, atOnce, seed);
            RunFolder? folder = space.FolderOf(seed, PolicyFingerprint.Of(_options, atOnce, model, pretrained, rewards, training, mix, _options.RolloutCount(training.Count), seed));
            var loop = new PolicyOptimizationLoop(model, rollouts, rewards, training, validation, mix, _options, atOnce, seed, folder, Log);
            _options.OptimizerInUse.WarnOfWarmup(channel, loop.MaxSteps);
            long parameters = model.Sets.Sum(static set => set.Layout.Sum(static info => info.ElementCount));
            Log(FormattableString.Invariant($"{_options.Algorithm}: {parameters:N0} parameters trained, {precision} on {device}; {training.Count:N0} prompts, {validation.Count:N0} for validation, {reader.TruncatedCount:N0} cut; {loop.RolloutCount:N0} rollouts of {_options.RolloutSize:N0} responses, {loop.MaxSteps:N0} updates{(model.Value is null ? "" : start is null ? "; the value model begins as the policy" : "; the value model begins as the reward model")}"));

            // 4. Train, and wrap what comes out.
            RunResult run = loop.Run(space.Resumed);
            RunState state = run.State;
            PolicyState policy = state.Policy ?? new();
            var result = new PolicyOptimizationResult(run.History, state.Step, policy.Rollouts, (long)policy.Rollouts * _options.RolloutSize, training.Count, validation.Count, reader.TruncatedCount, parameters,
                policy.Score, policy.Kl, policy.KlCoefficient ?? _options.KlCoefficient, -state.ValidationLoss, state.BestStep, policy.IsOverLimit, run.StoppedEarly, run.Cancelled, state.SkippedUpdates)
            {
                LastCheckpoint = run.LastCheckpoint,
                BestCheckpoint = run.BestCheckpoint,
            };
            var fitted = new GptModel(new TorchCausalModel(model.ToNetwork()), tokenizer, pretrained.Companions.With(template));
            return new(new GenerateTextTransformer(_responseColumnName, _promptColumnName, fitted, _options.Generation) { Environment = _context }, fitted, result);
        }
        catch (Exception e) when (OutOfMemory.Is(e, out _))
        {
            // Weights, gradients or the optimizer's state; the loop itself says which micro-batch was too large.
            throw new TrainingMemory(shape, precision, device) { Dropout = _options.DropoutInUse, Frozen = _options.Lora is not null, Averaged = _options.Run.AverageDecay > 0, Checkpointed = _options.Run.ActivationCheckpointing }
                .TooSmall(_options.MicroBatchSize.RowsOf(_options.BatchSize), training.Max(static p => p.Tokens.Length) + _options.Rollout.MaxNewTokens, e, lastCheckpoint: space.Resumed?.Checkpoint);
        }
    }

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        return TextColumnShape.Add(inputSchema, _promptColumnName, GenerateTextTransformer.OutputsOf(_responseColumnName, _promptColumnName, _options.Generation));
    }

    private static void RequireSame(PretrainedWeights reference, PretrainedWeights policy)
    {
        string name = reference.Folder ?? "the reference";
        if (reference.Tokenizer.Hash != policy.Tokenizer.Hash)
            throw new TokenizerMismatchException(name, $"a tokenizer of {reference.Tokenizer.VocabularySize} tokens", $"a policy whose tokenizer has {policy.Tokenizer.VocabularySize}", "Name a reference with the policy's tokenizer, or leave Reference null.");
        Dictionary<string, string> wanted = Shapes(policy), found = Shapes(reference);
        foreach (string tensor in wanted.Keys.Union(found.Keys))
        {
            string expected = wanted.GetValueOrDefault(tensor, "nothing"), own = found.GetValueOrDefault(tensor, "nothing");
            if (own != expected) throw new TensorMismatchException(name, tensor, expected, own, "Name a reference of the policy's shape, or leave Reference null.");
        }

        static Dictionary<string, string> Shapes(PretrainedWeights model) => GptParameterLayout.Of(model.Weights.Config).ToDictionary(static info => info.Name, static info => info.ShapeText);
    }

    private TokenFile? OpenMix(RunSpace space, GptTokenizer tokenizer, GptConfig shape)
    {
        if (_options.PretrainingMix is not { } mix) return null;
        TokenFile file;
        if (mix.TokenFile is { } path)
        {
            file = TokenFile.Open(path);
        }
        else
        {
            using Corpus corpus = Corpus.Build(TextColumn.Read(mix.Texts!, mix.TextColumnName), tokenizer, space.CorpusFolder, new() { ValidationFraction = 0 }, cancellationToken: _options.Run.CancellationToken);
            file = TokenFile.Open(corpus.Train.Path);
        }

        try
        {
            file.RequireTokenizer(tokenizer);
            file.RequireModel(shape);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
