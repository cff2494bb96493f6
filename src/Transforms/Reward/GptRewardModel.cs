namespace MLNet.Gpt;

/// <summary>A reward model and its tokenizer: prompts and responses in, rewards out, whichever engine computes.</summary>
/// <remarks>
/// Thread-safe: several threads may score at once. Owns its engine: disposing the model disposes it, after the calls that are under way. Pipelines that hold the model do not dispose
/// it, but for a transformer that <c>mlContext.Model.Load</c> made, which has a model of its own.
/// </remarks>
public sealed class GptRewardModel : IDisposable
{
    private readonly IDisposable? _backing;
    private readonly NativeLifetime _lifetime;

    /// <summary>Joins an engine and a tokenizer.</summary>
    /// <param name="engine">The engine; owned by the model from now on.</param>
    /// <param name="tokenizer">The tokenizer; it may have fewer tokens than the engine's vocabulary, never more.</param>
    /// <param name="chatTemplate">How conversations become tokens; needed where the model's prompts are conversations (<see cref="RewardHead.Conversations"/>).</param>
    /// <exception cref="ArgumentException">The tokenizer has more tokens than the engine's vocabulary, or the model needs a chat template.</exception>
    /// <exception cref="ChatTemplateException">The tokenizer lacks a special token of the chat template.</exception>
    public GptRewardModel(IRewardModel engine, GptTokenizer tokenizer, ChatTemplate? chatTemplate = null)
        : this(engine, tokenizer, chatTemplate, companions: null, backing: null)
    {
    }

    internal GptRewardModel(IRewardModel engine, GptTokenizer tokenizer, ChatTemplate? chatTemplate, ModelCompanions? companions, IDisposable? backing)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (tokenizer.VocabularySize > engine.Config.VocabularySize)
            throw new ArgumentException($"The tokenizer has {tokenizer.VocabularySize} tokens, the model only {engine.Config.VocabularySize}; take the tokenizer that the model was trained with.", nameof(tokenizer));
        if (engine.Head.Conversations && chatTemplate is null)
            throw new ArgumentException("The reward model reads conversations and has no chat template; give the one that it was trained with.", nameof(chatTemplate));
        chatTemplate?.Validate(tokenizer);
        Engine = engine;
        Tokenizer = tokenizer;
        ChatTemplate = engine.Head.Conversations ? chatTemplate : null;
        Companions = companions;
        _backing = backing;
        _lifetime = new NativeLifetime(this, Free);
    }

    /// <summary>The engine that computes: TorchSharp or ONNX Runtime. Owned by the model.</summary>
    public IRewardModel Engine { get; }

    /// <summary>The tokenizer.</summary>
    public GptTokenizer Tokenizer { get; }

    /// <summary>How conversations become tokens; null where prompts are texts.</summary>
    public ChatTemplate? ChatTemplate { get; }

    /// <summary>Where the head reads, what prompts are, and the rule for those that do not fit.</summary>
    public RewardHead Head => Engine.Head;

    /// <summary>The network's shape.</summary>
    public GptConfig Config => Engine.Config;

    /// <summary>What the language model over the same trunk has besides weights and tokenizer; null where there is none.</summary>
    internal ModelCompanions? Companions { get; }

    /// <summary>
    /// How <see cref="ExportOnnx"/> writes the model where it is given no options, and <c>mlContext.Model.Save</c> with every pipeline that holds it. Null (the default): float32, or, for a model
    /// that was opened from a package, as it is; such a model can't be written in another form.
    /// </summary>
    public OnnxExportOptions? ExportOptions { get; set; }

    /// <summary>Opens an ONNX package with its tokenizer on ONNX Runtime.</summary>
    /// <param name="folder">The package, as <see cref="ExportOnnx"/> writes it.</param>
    /// <param name="device">Where to compute; null takes the first CUDA GPU if ONNX Runtime can use one, else the CPU.</param>
    /// <param name="options">How ONNX Runtime computes; null for <see cref="OnnxEngineOptions.Default"/>.</param>
    /// <param name="head">
    /// The head's name, where the package has several over one trunk (<see cref="OnnxExportOptions.Heads"/>); null (the default) for a package of its own. Beside a language model that is open already, take
    /// GptModel.OpenRewardModel: it shares the weights.
    /// </param>
    /// <exception cref="CheckpointNotFoundException">The folder, a file of the model or the tokenizer's files are missing.</exception>
    /// <exception cref="CorruptFileException">A file is not what its format says, or the model is no reward model.</exception>
    /// <exception cref="UnknownHeadException">The package has no such head, or several and none is named.</exception>
    /// <exception cref="TokenizerMismatchException">The model was trained with another tokenizer.</exception>
    /// <exception cref="ChatTemplateException">The model reads conversations, and its chat template is missing or can't be used.</exception>
    /// <exception cref="DeviceUnavailableException">A CUDA GPU is asked for that ONNX Runtime can't use.</exception>
    /// <exception cref="NativeLibraryException">ONNX Runtime's native library can't be loaded.</exception>
    public static GptRewardModel FromOnnx(string folder, GptDevice? device = null, OnnxEngineOptions? options = null, string? head = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return AtomicFolder.ReadWhole(folder, () => FromOnnx(folder, device, options, head, backing: null));
    }

    internal static GptRewardModel FromOnnx(string folder, GptDevice? device, OnnxEngineOptions? options, string? head, IDisposable? backing)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        OnnxRewardModel engine = OnnxRewardModel.Load(folder, device, options, head);
        try
        {
            GptTokenizer tokenizer = OnnxPackageTokenizer.Load(folder, engine.TokenizerHash);
            ChatTemplate? template = engine.Head.Conversations ? ChatTemplate.Load(folder) : null;
            if (engine.Head.Conversations && template is null)
                throw new ChatTemplateException($"The reward model in '{folder}' reads conversations, and has no {ChatTemplate.FileName}.", "Put the model's own chat template back, or export the model again.");
            return new GptRewardModel(engine, tokenizer, template, engine.Shared is null ? null : ModelCompanions.Load(folder, tokenizer), backing);
        }
        catch
        {
            engine.Dispose();
            throw;
        }
    }

    /// <summary>Writes the model as an ONNX package with its tokenizer. The folder appears, or replaces an older package, only when it is complete.</summary>
    /// <param name="folder">The package's folder; an existing one may hold nothing but a package.</param>
    /// <param name="options">How, such as in fewer bits; null (the default) for <see cref="ExportOptions"/>.</param>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="FolderNotReplaceableException">The folder holds something other than a package.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    /// <exception cref="OnnxExportUnavailableException">The engine is not one of this library's and does not implement <see cref="IOnnxExportable"/>, or can't write the model that way.</exception>
    /// <exception cref="ArgumentException">An option is outside its range, or two don't go together.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public void ExportOnnx(string folder, OnnxExportOptions? options = null)
    {
        using NativeLease lease = _lifetime.Acquire();
        using var target = new AtomicFolder(folder, OnnxPackageLayout.Belongs, "an ONNX package");
        target.Fill(work => WriteTo(work, options ?? ExportOptions));
        target.Publish();
    }

    /// <summary>This model's head, to be written beside a language model over the same trunk (<see cref="OnnxExportOptions.Heads"/>). Where its prompts are conversations, they are written with the language model's chat template.</summary>
    /// <param name="name">The head's name in the package: 1 to 64 letters, digits, '-' or '_'.</param>
    /// <exception cref="ArgumentException">The name is no such name.</exception>
    /// <exception cref="OnnxExportUnavailableException">The engine does not implement <see cref="IRewardWeights"/>: a package does not give its weights away.</exception>
    public OnnxHead AsHead(string name) => OnnxHead.Reward(name, ModelPackage.WeightsOf<IRewardWeights>(Engine));

    /// <summary>The same head read at every token, as a value model is.</summary>
    /// <param name="name">The head's name in the package: 1 to 64 letters, digits, '-' or '_'.</param>
    /// <exception cref="ArgumentException">The name is no such name, or the head reads at a token of its own.</exception>
    /// <exception cref="OnnxExportUnavailableException">The engine does not implement <see cref="IRewardWeights"/>: a package does not give its weights away.</exception>
    public OnnxHead AsValueHead(string name) => OnnxHead.Value(name, ModelPackage.WeightsOf<IRewardWeights>(Engine));

    /// <summary>Scores one response.</summary>
    /// <param name="prompt">The prompt: a text, or the JSON of a conversation (<see cref="RewardHead.Conversations"/>).</param>
    /// <param name="response">The response, complete: the token that ends it is added.</param>
    /// <exception cref="PromptTooLongException">The response does not fit the context, or the prompt does not and must not be cut.</exception>
    /// <exception cref="ConversationException">The prompt is no conversation that waits for an answer.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public ResponseReward Score(string prompt, string response) => Score([(prompt, response)])[0];

    /// <summary>Scores responses; those of like length are computed together.</summary>
    /// <param name="responses">Prompts and responses, as for <see cref="Score(string, string)"/>.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>A reward for each response, in order.</returns>
    /// <exception cref="PromptTooLongException">A response does not fit the context, or a prompt does not and must not be cut.</exception>
    /// <exception cref="ConversationException">A prompt is no conversation that waits for an answer.</exception>
    /// <exception cref="ArgumentException">A text is null, or an option is out of range.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public IReadOnlyList<ResponseReward> Score(IReadOnlyList<(string Prompt, string Response)> responses, ScoreResponseOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(responses);
        var encoder = new RewardTexts(Tokenizer, Head, ChatTemplate);
        return ScoreTokens([.. responses.Select(pair => (encoder.Prompt(pair.Prompt), encoder.Response(pair.Response)))], options, cancellationToken);
    }

    /// <summary>Scores responses that are tokens already, as a policy under training has them.</summary>
    /// <param name="responses">Prompts and responses of 1 or more tokens; a response that has ended has the token that ends it.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>A reward for each response, in order.</returns>
    /// <exception cref="PromptTooLongException">A response does not fit the context, or a prompt does not and must not be cut.</exception>
    /// <exception cref="ArgumentException">A prompt or a response has no token, or an option is out of range.</exception>
    /// <exception cref="TokenOutOfRangeException">A token is not of the model's vocabulary.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public IReadOnlyList<ResponseReward> ScoreTokens(IReadOnlyList<(int[] Prompt, int[] Response)> responses, ScoreResponseOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(responses);
        using NativeLease lease = _lifetime.Acquire();
        options ??= new ScoreResponseOptions();
        options.Validate();
        var sequences = new int[responses.Count][];
        var dropped = new int[responses.Count];
        for (int i = 0; i < sequences.Length; i++) sequences[i] = RewardSequences.Build(Head, Config, responses[i].Prompt, responses[i].Response, out dropped[i]);

        // Sequences of like length together.
        int[] widths = [.. sequences.Select(static sequence => sequence.Length)], rows = new int[sequences.Length];
        rows.AsSpan().Fill(1);
        var rewards = new ResponseReward[sequences.Length];
        foreach (int[] batch in LengthBatches.Divide(widths, rows, options.MaxBatchTokens, Engine.Device))
        {
            cancellationToken.ThrowIfCancellationRequested();
            int width = widths[batch[0]];
            int[] ids = new int[batch.Length * width], lengths = [.. batch.Select(one => widths[one])];
            for (int row = 0; row < batch.Length; row++) sequences[batch[row]].CopyTo(ids.AsSpan(row * width));
            var values = new float[batch.Length];
            Engine.Run(ids, lengths, values, cancellationToken);
            for (int row = 0; row < batch.Length; row++) rewards[batch[row]] = new(values[row], dropped[batch[row]]);
        }

        return rewards;
    }

    /// <summary>
    /// Disposes the engine: at once, or when the last call that is under way on another thread has ended. Later calls throw <see cref="ObjectDisposedException"/>.
    /// Does not wait; may be called more than once.
    /// </summary>
    public void Dispose() => _lifetime.Dispose();

    /// <summary>Writes the files that <c>mlContext.Model.Save</c> keeps into an existing folder.</summary>
    /// <returns>The paths of those that lie elsewhere already.</returns>
    internal IReadOnlyList<string> WriteToSave(string folder)
    {
        using NativeLease lease = _lifetime.Acquire();
        IReadOnlyList<string> elsewhere = ModelPackage.WriteToSave(Engine, Tokenizer, ExportOptions, folder);
        ModelPackage.WriteUsedHead((Engine as OnnxRewardModel)?.Shared?.Name, folder);
        WriteCompanions(folder);
        return elsewhere;
    }

    private void WriteTo(string folder, OnnxExportOptions? options)
    {
        ModelPackage.Write(Engine, Tokenizer, options, folder);
        WriteCompanions(folder);
    }

    private void WriteCompanions(string folder)
    {
        if (Companions is { } companions) ModelPackage.WriteCompanions(companions, Tokenizer, Config, folder);
        else ChatTemplate?.Save(folder);
    }

    private void Free()
    {
        try
        {
            Engine.Dispose();
        }
        finally
        {
            _backing?.Dispose();
        }
    }
}
