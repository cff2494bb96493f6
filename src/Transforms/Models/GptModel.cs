using System.Text;

namespace MLNet.Gpt;

/// <summary>A GPT and its tokenizer: text in, text or log-likelihoods out, whichever engine computes.</summary>
/// <remarks>
/// Thread-safe: several threads may generate and score at once. Owns its engine: disposing the model disposes it, after the calls that are under way, and using
/// the model afterwards is an <see cref="ObjectDisposedException"/>. Pipelines that hold the model do not dispose it, with one exception: a transformer that
/// <c>mlContext.Model.Load</c> made has a model of its own, which goes with it.
/// </remarks>
public sealed partial class GptModel : IDisposable
{
    private readonly IDisposable? _backing; // what the engine reads from, where that goes with the model
    private readonly NativeLifetime _lifetime;

    /// <summary>Joins an engine and a tokenizer.</summary>
    /// <param name="engine">The engine; owned by the model from now on.</param>
    /// <param name="tokenizer">The tokenizer. It may have fewer tokens than the engine's vocabulary, which then is padded; never more.</param>
    /// <param name="chatTemplate">The template that the model was fine-tuned with; null (the default) for a model that was not fine-tuned on conversations.</param>
    /// <exception cref="ArgumentException">The tokenizer has more tokens than the engine's vocabulary.</exception>
    /// <exception cref="ChatTemplateException">The tokenizer lacks a special token of the chat template.</exception>
    public GptModel(ICausalModel engine, GptTokenizer tokenizer, ChatTemplate? chatTemplate = null)
        : this(engine, tokenizer, ModelCompanions.None.With(chatTemplate), backing: null)
    {
    }

    /// <summary>Joins an engine, a tokenizer and what else lies in a model's folder.</summary>
    /// <param name="engine">The engine; owned by the model from now on.</param>
    /// <param name="tokenizer">The tokenizer. It may have fewer tokens than the engine's vocabulary, which then is padded; never more.</param>
    /// <param name="companions">Settings for generation and chat template.</param>
    /// <exception cref="ArgumentException">The tokenizer has more tokens than the engine's vocabulary.</exception>
    /// <exception cref="ChatTemplateException">The tokenizer lacks a special token of the chat template.</exception>
    internal GptModel(ICausalModel engine, GptTokenizer tokenizer, ModelCompanions companions)
        : this(engine, tokenizer, companions, backing: null)
    {
    }

    internal GptModel(ICausalModel engine, GptTokenizer tokenizer, ModelCompanions companions, IDisposable? backing)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(companions);
        if (tokenizer.VocabularySize > engine.Config.VocabularySize)
            throw new ArgumentException($"The tokenizer has {tokenizer.VocabularySize} tokens, the model only {engine.Config.VocabularySize}; take the tokenizer that the model was trained with.", nameof(tokenizer));
        companions.ChatTemplate?.Validate(tokenizer);
        Engine = engine;
        Tokenizer = tokenizer;
        Companions = companions;
        Generation = new GenerateTextOptions(companions.Generation);
        _backing = backing;
        _lifetime = new NativeLifetime(this, Free);
    }

    /// <summary>The model's shape.</summary>
    public GptConfig Config => Engine.Config;

    /// <summary>The tokenizer.</summary>
    public GptTokenizer Tokenizer { get; }

    /// <summary>How conversations are written for this model; null where it was not fine-tuned on any, or where its template can't be used.</summary>
    public ChatTemplate? ChatTemplate => Companions.ChatTemplate;

    /// <summary>What came with the model besides weights and tokenizer, and goes with it when it is exported or saved.</summary>
    internal ModelCompanions Companions { get; }

    /// <summary>
    /// The settings of calls that give none: those of the model's generation_config.json, read as transformers reads them, where there is one. Calls that give options take all of them from there, but for the
    /// model's end tokens, which end every generation unless <see cref="GenerationOptions.StopAtEndOfText"/> is false.
    /// </summary>
    public GenerateTextOptions Generation { get; }

    /// <summary>The token that stands before a text: bos_token_id of the model's generation_config.json, else of its config.json, else the tokenizer's end-of-text token. An empty prompt begins with it.</summary>
    public int BeginTokenId => Companions.BeginTokenId ?? Tokenizer.EndOfTextId;

    /// <summary>The engine that computes: TorchSharp or ONNX Runtime. Owned by the model.</summary>
    public ICausalModel Engine { get; }

    /// <summary>
    /// How <see cref="ExportOnnx"/> writes the model where it is given no options, and <c>mlContext.Model.Save</c> with every pipeline that holds it. Null (the default): float32, or, for a model
    /// that was opened from a package, as it is; such a model can't be written in another form.
    /// </summary>
    public OnnxExportOptions? ExportOptions { get; set; }

    /// <summary>Opens an ONNX package with its tokenizer on ONNX Runtime.</summary>
    /// <param name="folder">The package: <c>model.onnx</c>, the configuration and the tokenizer's files.</param>
    /// <param name="device">Where to compute; null (the default) takes the first CUDA GPU if ONNX Runtime can use one, else the CPU.</param>
    /// <param name="options">How ONNX Runtime computes; null for <see cref="OnnxEngineOptions.Default"/>.</param>
    /// <exception cref="CheckpointNotFoundException">The folder, a file of the model or the tokenizer's files are missing.</exception>
    /// <exception cref="CorruptFileException">A file is not what its format says.</exception>
    /// <exception cref="UnsupportedModelException">The package asks for a computation that this library does not perform.</exception>
    /// <exception cref="TokenizerMismatchException">The model was trained with another tokenizer.</exception>
    /// <exception cref="DeviceUnavailableException">A CUDA GPU is asked for that ONNX Runtime can't use.</exception>
    /// <exception cref="NativeLibraryException">ONNX Runtime's native library can't be loaded.</exception>
    public static GptModel FromOnnx(string folder, GptDevice? device = null, OnnxEngineOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return AtomicFolder.ReadWhole(folder, () => FromOnnx(folder, device, options, backing: null));
    }

    internal static GptModel FromOnnx(string folder, GptDevice? device, OnnxEngineOptions? options, IDisposable? backing)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        OnnxCausalModel engine = OnnxCausalModel.Load(folder, device, options);
        try
        {
            GptTokenizer tokenizer = OnnxPackageTokenizer.Load(folder, engine.TokenizerHash);
            return new GptModel(engine, tokenizer, ModelCompanions.Load(folder, tokenizer), backing);
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

    /// <summary>Continues a prompt.</summary>
    /// <param name="prompt">The prompt; an empty one begins with <see cref="BeginTokenId"/>.</param>
    /// <param name="options">How to generate; null for <see cref="Generation"/>. <see cref="GenerationOptions.SamplesPerPrompt"/> must be 1.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/> before the next token.</param>
    /// <returns>The new text, without the prompt.</returns>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="PromptTooLongException">The prompt is longer than the context and <see cref="GenerationOptions.PromptOverflow"/> is <see cref="PromptOverflow.Error"/>.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public string Generate(string prompt, GenerateTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        RequireOneSample(options);
        return Generate([prompt], options, cancellationToken)[0].Text;
    }

    /// <summary>Continues several prompts, <see cref="GenerationOptions.BatchSize"/> at a time.</summary>
    /// <param name="prompts">The prompts; an empty one begins with <see cref="BeginTokenId"/>.</param>
    /// <param name="options">How to generate; null for <see cref="Generation"/>.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/> before the next token.</param>
    /// <returns>The texts: those of the first prompt, of the second, and so on.</returns>
    /// <exception cref="ArgumentException">An option is out of range, or a prompt is null.</exception>
    /// <exception cref="PromptTooLongException">A prompt is longer than the context and <see cref="GenerationOptions.PromptOverflow"/> is <see cref="PromptOverflow.Error"/>.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public IReadOnlyList<GeneratedText> Generate(IReadOnlyList<string> prompts, GenerateTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= Generation;
        return [.. GenerateTokens(EncodeAll(prompts, options.SpecialTokens, cancellationToken), options, onToken: null, cancellationToken).Select(sequence => ToText(sequence, options))];
    }

    /// <summary>Continues several prompts as a constraint allows.</summary>
    /// <param name="prompts">The prompts; an empty one begins with <see cref="BeginTokenId"/>.</param>
    /// <param name="constraint">Says which tokens may come next, of ids that <see cref="Tokenizer"/> gives.</param>
    /// <param name="options">How to generate; null for <see cref="Generation"/>.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/> before the next token.</param>
    /// <returns>The texts: those of the first prompt, of the second, and so on.</returns>
    /// <exception cref="ArgumentException">An option is out of range, or a prompt is null.</exception>
    /// <exception cref="PromptTooLongException">A prompt is longer than the context and <see cref="GenerationOptions.PromptOverflow"/> is <see cref="PromptOverflow.Error"/>.</exception>
    /// <exception cref="TokenConstraintException">The constraint left no token that could come next.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public IReadOnlyList<GeneratedText> GenerateConstrained(IReadOnlyList<string> prompts, ITokenConstraint constraint, GenerateTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(constraint);
        options ??= Generation;
        return [.. GenerateTokens(EncodeAll(prompts, options.SpecialTokens, cancellationToken), options, onToken: null, cancellationToken, constraint).Select(sequence => ToText(sequence, options))];
    }

    /// <summary>Continues a prompt and gives the text as it comes.</summary>
    /// <param name="prompt">The prompt; an empty one begins with <see cref="BeginTokenId"/>.</param>
    /// <param name="options">How to generate; null for <see cref="Generation"/>. <see cref="GenerationOptions.SamplesPerPrompt"/> must be 1.</param>
    /// <param name="cancellationToken">Ends the stream with an <see cref="OperationCanceledException"/> before the next token.</param>
    /// <returns>
    /// Pieces of text, none empty; together they are what <see cref="Generate(string, GenerateTextOptions?, CancellationToken)"/> returns. A character whose bytes several
    /// tokens share comes whole, and what may be the beginning of a stop string is held back. Generation runs on a thread of the pool, begins with the enumeration
    /// and stops when it is left.
    /// </returns>
    /// <exception cref="ArgumentException">An option is out of range; thrown by the call itself, as all errors in the arguments are.</exception>
    /// <exception cref="PromptTooLongException">The prompt is longer than the context; thrown while enumerating.</exception>
    public IAsyncEnumerable<string> GenerateStreaming(string prompt, GenerateTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        _lifetime.ThrowIfDisposed();
        options ??= Generation;
        CheckStops(options);
        RequireOneSample(options);
        ICausalModel engine = EngineFor(options);
        return TextStream.Enumerate(
            this, (onToken, token) => Task.FromResult(GenerateTokens([Tokenizer.Encode(prompt, options.SpecialTokens)], options, onToken, token, engine: engine)[0]), options, onEnd: null, cancellationToken);
    }

    /// <summary>Continues several prompts and gives each text as soon as it, and all before it, have ended.</summary>
    /// <param name="prompts">The prompts; an empty one begins with <see cref="BeginTokenId"/>.</param>
    /// <param name="options">How to generate; null for <see cref="Generation"/>.</param>
    /// <param name="cancellationToken">Ends the stream with an <see cref="OperationCanceledException"/> before the next token; what ended before has been given.</param>
    /// <returns>
    /// The texts that <see cref="Generate(IReadOnlyList{string}, GenerateTextOptions?, CancellationToken)"/> returns, in its order. Generation runs on a thread of the pool, begins with the enumeration and stops when it is left.
    /// </returns>
    /// <exception cref="ArgumentException">An option is out of range, or a prompt is null; thrown by the call itself.</exception>
    /// <exception cref="PromptTooLongException">A prompt is longer than the context; thrown while enumerating.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public IAsyncEnumerable<GeneratedText> GenerateEachAsync(IReadOnlyList<string> prompts, GenerateTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        _lifetime.ThrowIfDisposed();
        GenerateTextOptions chosen = options ?? Generation;
        chosen.Validate();
        CheckStops(chosen);
        ICausalModel engine = EngineFor(chosen);
        int[][] tokens = EncodeAll(prompts, chosen.SpecialTokens, cancellationToken);
        return TextStream.InOrder((onSequence, token) => GenerateTokens(tokens, chosen, onToken: null, token, engine: engine, onSequence: sequence => onSequence(ToText(sequence, chosen))), chosen.SamplesPerPrompt, cancellationToken);
    }

    /// <summary>Scores a text.</summary>
    /// <param name="text">The text; an empty one has no tokens, and its perplexity is NaN.</param>
    /// <param name="options">How to score; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="PromptTooLongException">The text is longer than the context and <see cref="ScoringOptions.Overflow"/> is <see cref="PromptOverflow.Error"/>.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public SequenceScore Score(string text, ScoreTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Score([text], options, cancellationToken)[0];
    }

    /// <summary>Scores several texts, <see cref="ScoringOptions.BatchSize"/> at a time.</summary>
    /// <param name="texts">The texts; an empty one has no tokens, and its perplexity is NaN.</param>
    /// <param name="options">How to score; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>A score for each text, in order.</returns>
    /// <exception cref="ArgumentException">An option is out of range, or a text is null.</exception>
    /// <exception cref="PromptTooLongException">A text is longer than the context and <see cref="ScoringOptions.Overflow"/> is <see cref="PromptOverflow.Error"/>.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public IReadOnlyList<SequenceScore> Score(IReadOnlyList<string> texts, ScoreTextOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new ScoreTextOptions();
        return ScoreTokens(EncodeAll(texts, options.SpecialTokens, cancellationToken), options, cancellationToken);
    }

    /// <summary>
    /// Disposes the engine: at once, or when the last call that is under way on another thread has ended. Later calls throw <see cref="ObjectDisposedException"/>.
    /// Does not wait; may be called more than once.
    /// </summary>
    public void Dispose() => _lifetime.Dispose();

    /// <summary>The model with the adapter that a call names. Chosen when the call is made, it stays the call's, whatever is loaded and unloaded before the first token.</summary>
    /// <exception cref="UnknownAdapterException">The adapter is not loaded.</exception>
    /// <exception cref="UnsupportedOptionException">An adapter is named, and the model takes none.</exception>
    internal ICausalModel EngineFor(GenerationOptions options) => AdaptedModel.Of(Engine, options.Adapter);

    /// <summary>The continuations of prompts.</summary>
    /// <param name="prompts">The tokens.</param>
    /// <param name="options">How to generate.</param>
    /// <param name="onToken">Told of each token; null for no calls.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <param name="constraint">Goes before the options'; null for none.</param>
    /// <param name="engine">Of <see cref="EngineFor"/>; null to choose it now.</param>
    /// <param name="onSequence">Called for each sequence as soon as it has ended; null for no calls.</param>
    internal IReadOnlyList<GeneratedSequence> GenerateTokens(
        IReadOnlyList<int[]> prompts, GenerationOptions options, Action<GeneratedToken>? onToken, CancellationToken cancellationToken, ITokenConstraint? constraint = null, ICausalModel? engine = null, Action<GeneratedSequence>? onSequence = null)
    {
        using NativeLease lease = _lifetime.Acquire();
        constraint = ConstraintOf(options, constraint);
        options = WithEnds(options);
        return TokenGenerator.Generate(engine ?? Engine, [.. prompts.Select(Begun)], options, Tokenizer.EndOfTextId, id => TextOf(id, options).Span, Tokenizer.VocabularySize, onToken, constraint, firstDraws: null, cancellationToken, onSequence);
    }

    /// <summary>A prompt's continuations for a running batch, one for each sample.</summary>
    internal QueuedGeneration[] ToQueue(ICausalModel engine, int[] prompt, GenerationOptions options, Action<GeneratedToken>? onToken, ITokenConstraint? constraint, CancellationToken cancellationToken)
    {
        if (options.PromptLookupTokens > 0)
            throw new UnsupportedOptionException(nameof(options.PromptLookupTokens), options.PromptLookupTokens, "Guesses are checked for one sequence at a time, and here many share a pass; set it to 0, or generate with GptModel.Generate.");
        (GenerationStep step, GenerationRow[] rows) = BeginRows(engine, prompt, options, onToken, constraint, CancellationToken.None);
        return [.. rows.Select(row => new QueuedGeneration(step, row, cancellationToken))];
    }

    internal IReadOnlyList<SequenceScore> ScoreTokens(IReadOnlyList<int[]> texts, ScoringOptions options, CancellationToken cancellationToken)
    {
        using NativeLease lease = _lifetime.Acquire();
        return SequenceScorer.Score(Engine, texts, BeginTokenId, options, cancellationToken);
    }

    internal GeneratedText ToText(GeneratedSequence sequence, GenerationOptions options)
    {
        byte[] bytes = [.. sequence.TokenIds.SelectMany(id => TextOf(id, options).ToArray()).Take(sequence.TextByteCount!.Value)];
        return new(sequence.PromptIndex, sequence.SampleIndex, Encoding.UTF8.GetString(bytes), sequence.FinishReason, sequence.PromptTokenIds.Count, sequence.TokenIds.Count)
        {
            LogProbabilities = sequence.LogProbabilities,
            Score = sequence.Score,
        };
    }

    /// <summary>The tokens of what <see cref="ToText"/> gives: those that a sequence was generated with, and where a stop string begins within one, others for what comes before it, if the tokenizer has any.</summary>
    /// <param name="sequence">The sequence.</param>
    /// <param name="options">The options that it was generated with.</param>
    /// <param name="generated">How many of them are the generated ones.</param>
    internal int[] TokensOfText(GeneratedSequence sequence, GenerationOptions options, out int generated)
    {
        generated = sequence.TokenIds.Count;
        if (sequence.FinishReason != FinishReason.StopString) return [.. sequence.TokenIds];
        byte[] bytes = [.. sequence.TokenIds.SelectMany(id => TextOf(id, options).ToArray())];
        int textLength = sequence.TextByteCount!.Value, end = bytes.Length;
        while (end > textLength || (end < textLength && (bytes[end] & 0xC0) == 0x80)) end -= TextOf(sequence.TokenIds[--generated], options).Length; // nor within a character
        try
        {
            return [.. sequence.TokenIds.Take(generated), .. Tokenizer.Encode(Encoding.UTF8.GetString(bytes, end, textLength - end), SpecialTokenHandling.AsText)];
        }
        catch (UnknownCharacterException)
        {
            return [.. sequence.TokenIds.Take(generated)]; // a part of a special token's text, of which a tokenizer of characters has no other tokens
        }
    }

    /// <summary>What a token adds to the text.</summary>
    internal ReadOnlyMemory<byte> TextOf(int id, GenerationOptions options) =>
        options is GenerateTextOptions { SkipSpecialTokens: true } && Tokenizer.IsSpecialToken(id) ? default : Tokenizer.GetTokenBytes(id);

    /// <summary>Checks options before anything is computed.</summary>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    /// <exception cref="TokenOutOfRangeException">A stop token is none of the tokenizer's.</exception>
    /// <exception cref="ConstraintException">The constraint can't be used.</exception>
    /// <exception cref="UnknownAdapterException">The adapter is not loaded.</exception>
    /// <exception cref="UnsupportedOptionException">An adapter is named, and the model takes none.</exception>
    internal void CheckStops(GenerationOptions options)
    {
        options.Validate();
        foreach (int id in options.LogitBias.Keys)
        {
            if (id >= Tokenizer.VocabularySize) throw new TokenOutOfRangeException(id, Tokenizer.VocabularySize, nameof(GenerationOptions.LogitBias));
        }

        _ = EngineFor(options);
        (options as GenerateTextOptions)?.Constraint?.Compile(Tokenizer);
        foreach (int id in options.StopTokenIds)
        {
            if (id >= Tokenizer.VocabularySize) throw new TokenOutOfRangeException(id, Tokenizer.VocabularySize, nameof(GenerationOptions.StopTokenIds));
        }
    }

    /// <summary>Writes the files that <c>mlContext.Model.Save</c> keeps into an existing folder.</summary>
    /// <returns>The paths of those that lie elsewhere already.</returns>
    internal IReadOnlyList<string> WriteToSave(string folder)
    {
        using NativeLease lease = _lifetime.Acquire();
        IReadOnlyList<string> elsewhere = ModelPackage.WriteToSave(Engine, Tokenizer, ExportOptions, folder);
        ModelPackage.WriteCompanions(Companions, Tokenizer, Config, folder);
        return elsewhere;
    }

    private void WriteTo(string folder, OnnxExportOptions? options)
    {
        ModelPackage.Write(Engine, Tokenizer, options, folder);
        ModelPackage.WriteCompanions(Companions, Tokenizer, Config, folder);
    }

    private ITokenConstraint? ConstraintOf(GenerationOptions options, ITokenConstraint? constraint)
    {
        if (options is not GenerateTextOptions { Constraint: { } text }) return constraint;
        if (constraint is not null) throw new ArgumentException($"A constraint is given, and {nameof(GenerateTextOptions)}.{nameof(GenerateTextOptions.Constraint)} is set; leave out one of the two.", nameof(constraint));
        return text.Compile(Tokenizer);
    }

    /// <summary>The options with the model's own end tokens among those that stop.</summary>
    private GenerationOptions WithEnds(GenerationOptions options) => options.StopAtEndOfText && Generation.StopTokenIds.Count > 0
        ? options with { StopTokenIds = [.. options.StopTokenIds.Union(Generation.StopTokenIds)] }
        : options;

    /// <summary>The prompt, which begins with the model's begin token where it is empty.</summary>
    private int[] Begun(int[] prompt) => prompt is { Length: 0 } && Companions.BeginTokenId is { } begin ? [begin] : prompt;

    private int[][] EncodeAll(IReadOnlyList<string> texts, SpecialTokenHandling handling, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(texts);
        var ids = new int[texts.Count][];
        for (int i = 0; i < ids.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ids[i] = Tokenizer.Encode(texts[i] ?? throw new ArgumentException($"Text {i} is null; pass an empty one.", nameof(texts)), handling);
        }

        return ids;
    }

    internal static void RequireOneSample(GenerateTextOptions? options)
    {
        if (options is { SamplesPerPrompt: not 1 })
            throw new ArgumentException($"{nameof(GenerationOptions.SamplesPerPrompt)} is {options.SamplesPerPrompt}, and one text is returned; set it to 1, or pass a list of prompts.", nameof(options));
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
