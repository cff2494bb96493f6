namespace MLNet.Gpt;

/// <summary>A GPT with a task head and its tokenizer: texts in, probabilities (or a number) out, whichever engine computes.</summary>
/// <remarks>
/// Thread-safe: several threads may classify at once. Owns its engine: disposing the model disposes it, after the calls that are under way. Pipelines that hold the model do not dispose
/// it, but for a transformer that <c>mlContext.Model.Load</c> made, which has a model of its own.
/// </remarks>
public sealed class GptClassifier : IDisposable
{
    private readonly IDisposable? _backing;
    private readonly NativeLifetime _lifetime;

    /// <summary>Joins an engine and a tokenizer.</summary>
    /// <param name="engine">The engine; owned by the model from now on.</param>
    /// <param name="tokenizer">The tokenizer; it may have fewer tokens than the engine's vocabulary, never more.</param>
    /// <exception cref="ArgumentException">The tokenizer has more tokens than the engine's vocabulary.</exception>
    public GptClassifier(ITextClassifierModel engine, GptTokenizer tokenizer)
        : this(engine, tokenizer, companions: null, backing: null)
    {
    }

    internal GptClassifier(ITextClassifierModel engine, GptTokenizer tokenizer, ModelCompanions? companions, IDisposable? backing)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (tokenizer.VocabularySize > engine.Config.VocabularySize)
            throw new ArgumentException($"The tokenizer has {tokenizer.VocabularySize} tokens, the model only {engine.Config.VocabularySize}; take the tokenizer that the model was trained with.", nameof(tokenizer));
        Engine = engine;
        Tokenizer = tokenizer;
        Companions = companions;
        _backing = backing;
        _lifetime = new NativeLifetime(this, Free);
    }

    /// <summary>The engine that computes: TorchSharp or ONNX Runtime. Owned by the model.</summary>
    public ITextClassifierModel Engine { get; }

    /// <summary>The tokenizer.</summary>
    public GptTokenizer Tokenizer { get; }

    /// <summary>The task, its classes and the rule for texts that do not fit.</summary>
    public ClassifierHead Head => Engine.Head;

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
    /// GptModel.OpenClassifier: it shares the weights.
    /// </param>
    /// <exception cref="CheckpointNotFoundException">The folder, a file of the model or the tokenizer's files are missing.</exception>
    /// <exception cref="CorruptFileException">A file is not what its format says, or the model has no task head.</exception>
    /// <exception cref="UnknownHeadException">The package has no such head, or several and none is named.</exception>
    /// <exception cref="TokenizerMismatchException">The model was trained with another tokenizer.</exception>
    /// <exception cref="DeviceUnavailableException">A CUDA GPU is asked for that ONNX Runtime can't use.</exception>
    /// <exception cref="NativeLibraryException">ONNX Runtime's native library can't be loaded.</exception>
    public static GptClassifier FromOnnx(string folder, GptDevice? device = null, OnnxEngineOptions? options = null, string? head = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return AtomicFolder.ReadWhole(folder, () => FromOnnx(folder, device, options, head, backing: null));
    }

    internal static GptClassifier FromOnnx(string folder, GptDevice? device, OnnxEngineOptions? options, string? head, IDisposable? backing)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        OnnxTextClassifier engine = OnnxTextClassifier.Load(folder, device, options, head);
        try
        {
            GptTokenizer tokenizer = OnnxPackageTokenizer.Load(folder, engine.TokenizerHash);
            return new GptClassifier(engine, tokenizer, engine.Shared is null ? null : ModelCompanions.Load(folder, tokenizer), backing);
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

    /// <summary>This model's head, to be written beside a language model over the same trunk (<see cref="OnnxExportOptions.Heads"/>).</summary>
    /// <param name="name">The head's name in the package: 1 to 64 letters, digits, '-' or '_'.</param>
    /// <exception cref="ArgumentException">The name is no such name.</exception>
    /// <exception cref="OnnxExportUnavailableException">The engine does not implement <see cref="IClassifierWeights"/>: a package does not give its weights away.</exception>
    public OnnxHead AsHead(string name) => OnnxHead.Classifier(name, ModelPackage.WeightsOf<IClassifierWeights>(Engine));

    /// <summary>Classifies one example.</summary>
    /// <param name="texts">Its texts: one; premise and hypothesis; two texts to compare; or a context and two or more answers.</param>
    /// <exception cref="ArgumentException">The number of texts is not the task's.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public TextPrediction Classify(params IReadOnlyList<string> texts) => Classify([texts])[0];

    /// <summary>Classifies examples; those of like length are computed together.</summary>
    /// <param name="examples">Each example's texts, as for <see cref="Classify(IReadOnlyList{string})"/>.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>A prediction for each example, in order.</returns>
    /// <exception cref="ArgumentException">The number of an example's texts is not the task's, or an option is out of range.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public IReadOnlyList<TextPrediction> Classify(IReadOnlyList<IReadOnlyList<string>> examples, ClassifyTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(examples);
        using NativeLease lease = _lifetime.Acquire();
        options ??= new ClassifyTextOptions();
        options.Validate();

        // 1. Texts → sequences.
        var sequences = new int[examples.Count][][];
        int[] dropped = new int[examples.Count], widths = new int[examples.Count], rows = new int[examples.Count];
        for (int i = 0; i < sequences.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int[][] texts = [.. examples[i].Select(text => Tokenizer.Encode(text ?? throw new ArgumentException($"Example {i} has a text that is null; pass an empty one.", nameof(examples)), Head.SpecialTokens))];
            sequences[i] = TaskSequences.Build(Head, Config, texts, out dropped[i]);
            (widths[i], rows[i]) = (sequences[i].Max(static sequence => sequence.Length), sequences[i].Length);
        }

        // 2. Examples of like length together.
        var predictions = new TextPrediction[sequences.Length];
        foreach (int[] batch in LengthBatches.Divide(widths, rows, options.MaxBatchTokens, Engine.Device))
        {
            cancellationToken.ThrowIfCancellationRequested();
            Run(sequences, dropped, predictions, batch, batch.Sum(example => rows[example]), widths[batch[0]], cancellationToken);
        }

        return predictions;
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
        ModelPackage.WriteUsedHead((Engine as OnnxTextClassifier)?.Shared?.Name, folder);
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
        // A package of the classifier alone has no language model that they would be for.
        if (Engine is OnnxTextClassifier { Shared: not null } && Companions is { } companions) ModelPackage.WriteCompanions(companions, Tokenizer, Config, folder);
    }

    private void Run(int[][][] sequences, int[] dropped, TextPrediction[] predictions, ReadOnlySpan<int> batch, int rows, int t, CancellationToken cancellationToken)
    {
        var ids = new int[rows * t];
        var lengths = new int[rows];
        int row = 0;
        foreach (int example in batch)
        {
            foreach (int[] sequence in sequences[example])
            {
                sequence.CopyTo(ids.AsSpan(row * t));
                lengths[row++] = sequence.Length;
            }
        }

        var outputs = new float[rows / Head.SequencesPerOutput * Head.OutputCount];
        Engine.Run(ids, lengths, outputs, cancellationToken);
        int at = 0;
        foreach (int example in batch)
        {
            int count = sequences[example].Length / Head.SequencesPerOutput * Head.OutputCount;
            predictions[example] = new TextPrediction(HeadScores.Of(Head.IsRegression).Read(outputs.AsSpan(at, count)), dropped[example]);
            at += count;
        }
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
