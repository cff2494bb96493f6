namespace MLNet.Gpt;

/// <summary>
/// A checkpoint folder in Hugging Face's layout: config.json, model.safetensors, generation_config.json and the tokenizer's
/// files. What is written here opens in transformers, and a GPT-1 or GPT-2 from there opens here.
/// </summary>
/// <remarks>
/// The weights are mapped into memory and read when asked for. Reading is thread-safe. The folder may be replaced by
/// <see cref="Write"/> while it is open (not on Windows, which keeps open files in place); this object goes on reading what it opened.
/// docs/file-formats.md gives the layout.
/// </remarks>
public sealed class GptCheckpoint : IGptWeights, IDisposable
{
    /// <summary>The folder beside the weights for what only training needs: optimizer state, random states, position.</summary>
    public const string TrainingStateFolder = "training_state";

    private readonly CheckpointTensors _tensors;
    private readonly OnceValue<GptTokenizer?> _tokenizer;

    private GptCheckpoint(string folder, GptConfig config, GenerationOptions generation, IReadOnlyList<string> unsupported, CheckpointTensors tensors)
    {
        Folder = folder;
        Config = config;
        Generation = generation;
        UnsupportedGenerationSettings = unsupported;
        _tensors = tensors;
        _tokenizer = new(LoadTokenizer);
    }

    /// <summary>The folder's full path.</summary>
    public string Folder { get; }

    /// <inheritdoc/>
    public GptConfig Config { get; }

    /// <summary>
    /// The checkpoint's tokenizer, read at the first use; null where the folder has none. It may have fewer tokens than the model
    /// (a padded vocabulary), never more. A failure to read it is not kept: the next use tries again.
    /// </summary>
    /// <exception cref="CorruptFileException">A tokenizer file is not what its format says.</exception>
    /// <exception cref="TokenizerMismatchException">The tokenizer has more tokens than the model.</exception>
    public GptTokenizer? Tokenizer => _tokenizer.Value;

    /// <summary>The chat template that the model was fine-tuned with, read at each use; null where the folder has no chat_template.json.</summary>
    /// <exception cref="CorruptFileException">The file is not what its format says.</exception>
    /// <exception cref="ChatTemplateException">The file is another program's.</exception>
    public ChatTemplate? ChatTemplate => ChatTemplate.Load(Folder);

    /// <summary>
    /// The generation settings that came with the checkpoint: those of generation_config.json as transformers reads them (do_sample missing or false is greedy; top_k is 50
    /// where it samples and does not say), else the end-of-text id of config.json; and <see cref="GenerationOptions"/>'s own defaults where they are silent.
    /// </summary>
    public GenerationOptions Generation { get; }

    /// <summary>The settings in generation_config.json that this library does not have, by name; they have no effect on <see cref="Generation"/>.</summary>
    public IReadOnlyList<string> UnsupportedGenerationSettings { get; }

    /// <summary>
    /// Opens a checkpoint folder and checks all of it but the numbers themselves: every tensor of the configuration is there in its
    /// shape, and nothing else but the constants that older files hold and an output head equal to the token embedding. A writer
    /// that was killed while it replaced the folder is finished first.
    /// </summary>
    /// <param name="folder">The folder; its weights may be one safetensors file or several with an index, with or without the "transformer." prefix.</param>
    /// <returns>The checkpoint, which the caller disposes.</returns>
    /// <exception cref="CheckpointNotFoundException">The folder, its config.json or its safetensors weights are missing.</exception>
    /// <exception cref="CorruptFileException">A file breaks the rules of its format.</exception>
    /// <exception cref="UnsupportedModelException">The configuration asks for a computation that this library does not perform.</exception>
    /// <exception cref="TensorMismatchException">A tensor is missing, misshaped, of another type, or unknown.</exception>
    public static GptCheckpoint Open(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        string path = Path.GetFullPath(folder);
        return AtomicFolder.ReadWhole(path, () => OpenOnce(path));
    }

    private static GptCheckpoint OpenOnce(string path)
    {
        if (!Directory.Exists(path)) throw new CheckpointNotFoundException(path, File.Exists(path) ? "it is a file." : "there is no such folder.", FolderRemedy.ForCheckpoint(path));
        string configPath = Path.Combine(path, CheckpointNames.Config), generationPath = Path.Combine(path, CheckpointNames.GenerationConfig);
        if (!File.Exists(configPath)) throw new CheckpointNotFoundException(path, $"it has no {CheckpointNames.Config}.", FolderRemedy.ForCheckpoint(path));

        using CheckpointJson configJson = CheckpointJson.Read(configPath);
        GptConfig config = CheckpointConfig.Read(configJson);
        GenerationOptions generation;
        IReadOnlyList<string> unsupported = [];
        if (File.Exists(generationPath))
        {
            using CheckpointJson generationJson = CheckpointJson.Read(generationPath);
            generation = CheckpointGeneration.Read(generationJson, out unsupported);
        }
        else
        {
            generation = CheckpointGeneration.ReadFromModelConfig(configJson);
        }

        return new(path, config, generation, unsupported, CheckpointTensors.Open(path, config));
    }

    /// <inheritdoc/>
    public void Read(string name, Span<float> destination) => _tensors.Read(name, destination);

    /// <summary>
    /// Writes a checkpoint folder, float32. The folder appears, or replaces the one of that name, only when it is complete and on
    /// the disk; until then, and whenever this fails, the old one stays as it was.
    /// </summary>
    /// <param name="folder">The folder. If it exists, it may hold nothing but a checkpoint.</param>
    /// <param name="weights">The weights; each tensor is read once, in the order of the file.</param>
    /// <param name="tokenizer">The tokenizer to store with them; null (the default) stores none.</param>
    /// <param name="generation">
    /// Settings to store for generation; null (the default) stores the end-of-text id alone. <see cref="GenerationOptions.Seed"/>,
    /// <see cref="GenerationOptions.SamplesPerPrompt"/>, <see cref="GenerationOptions.BatchSize"/> and <see cref="GenerationOptions.PromptOverflow"/>
    /// belong to a call, not to a model, and are not stored.
    /// </param>
    /// <param name="addFiles">
    /// Called with the path of the unfinished folder, to add files that must appear together with the weights: <see cref="TrainingStateFolder"/>
    /// and what is in it. They are flushed to the disk with the rest.
    /// </param>
    /// <param name="chatTemplate">The chat template to store with them; null (the default) stores none.</param>
    /// <exception cref="TokenizerMismatchException">The tokenizer has more tokens than the model.</exception>
    /// <exception cref="ChatTemplateException">The tokenizer lacks a special token of the chat template, or there is no tokenizer.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="FolderNotReplaceableException">The existing folder holds something that isn't part of a checkpoint.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing this folder.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    public static void Write(
        string folder, IGptWeights weights, GptTokenizer? tokenizer = null, GenerationOptions? generation = null, Action<string>? addFiles = null, ChatTemplate? chatTemplate = null)
    {
        ArgumentNullException.ThrowIfNull(weights);
        GptConfig config = weights.Config.Validate();
        if (tokenizer is not null) RequireFits(folder, tokenizer, config);
        generation?.Validate();
        if (chatTemplate is not null)
        {
            chatTemplate.Validate(tokenizer ?? throw new ChatTemplateException("A chat template comes without a tokenizer, whose special tokens it needs.", "Pass the tokenizer too."));
        }

        using var target = new AtomicFolder(folder, CheckpointNames.Belongs, CheckpointNames.Contents);
        target.Fill(work =>
        {
            WriteWeights(Path.Combine(work, CheckpointNames.Weights), weights);
            AtomicFile.Write(Path.Combine(work, CheckpointNames.Config), stream => CheckpointConfig.Write(stream, config, tokenizer?.EndOfTextId));
            AtomicFile.Write(Path.Combine(work, CheckpointNames.GenerationConfig), stream => CheckpointGeneration.Write(stream, generation, tokenizer?.EndOfTextId));
            tokenizer?.Save(work);
            chatTemplate?.Save(work);
            addFiles?.Invoke(work);
        });
        target.Publish();
    }

    /// <summary>Checks that <see cref="Write"/> can write a folder, without changing it, so that a long run does not end in vain.</summary>
    /// <param name="folder">The folder, which need not exist.</param>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="FolderNotReplaceableException">The existing folder holds something that isn't part of a checkpoint.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing this folder.</exception>
    public static void ThrowIfNotWritable(string folder) => AtomicFolder.ThrowIfNotWritable(folder, CheckpointNames.Belongs, CheckpointNames.Contents);

    /// <inheritdoc/>
    public void Dispose() => _tensors.Dispose();

    private static void WriteWeights(string path, IGptWeights weights)
    {
        GptBlockForm form = weights.Config.BlockForm;
        var parameters = GptParameterLayout.Of(weights.Config).ToDictionary(parameter => CheckpointNames.Prefix + CheckpointNames.Of(parameter.Name, form), StringComparer.Ordinal);
        var buffer = new float[LengthFor(parameters.Values.Max(static parameter => parameter.ElementCount))];
        SafeTensorsWriter.Write(
            path,
            parameters.Select(static pair => new SafeTensorInfo(pair.Key, SafeTensorType.Float32, pair.Value.Shape)),
            (tensor, stream) =>
            {
                Span<float> values = buffer.AsSpan(0, (int)tensor.ElementCount);
                weights.Read(parameters[tensor.Name].Name, values);
                NumberBytes.Write<float>(stream, values);
            },
            new Dictionary<string, string> { ["format"] = "pt" });
    }

    /// <summary>The length of an array for a tensor.</summary>
    internal static int LengthFor(long elements) => elements <= Array.MaxLength ? (int)elements
        : throw new ArgumentException($"A tensor of {elements} elements is larger than a span of .NET ({Array.MaxLength}).", "weights");

    private static void RequireFits(string path, GptTokenizer tokenizer, GptConfig config)
    {
        if (tokenizer.VocabularySize > config.VocabularySize)
            throw new TokenizerMismatchException(path, $"a model of {config.VocabularySize} tokens", $"a tokenizer of {tokenizer.VocabularySize}", "Use the tokenizer that the model was trained with, or train a model with this many tokens.");
    }

    private GptTokenizer? LoadTokenizer()
    {
        if (!File.Exists(Path.Combine(Folder, "tokenizer.json")) && !File.Exists(Path.Combine(Folder, "vocab.json"))) return null;
        GptTokenizer tokenizer = GptTokenizer.Load(Folder);
        RequireFits(Folder, tokenizer, Config);
        return tokenizer;
    }
}
