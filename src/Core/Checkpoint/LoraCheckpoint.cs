namespace MLNet.Gpt;

/// <summary>
/// A LoRA adapter's folder in PEFT's layout: adapter_config.json and adapter_model.safetensors. What is written here opens in PEFT over
/// transformers' GPT-2, and a LoRA adapter of GPT-2 from there opens here.
/// </summary>
/// <remarks>The tensors are mapped into memory and read when asked for. Reading is thread-safe.</remarks>
internal sealed class LoraCheckpoint : IDisposable
{
    /// <summary>The name of the configuration.</summary>
    public const string ConfigFile = "adapter_config.json";

    /// <summary>The name of the tensors' file.</summary>
    public const string WeightsFile = "adapter_model.safetensors";

    private const string Prefix = "base_model.model.transformer.";
    private const string BarePrefix = "base_model.model.";   // an adapter of the model without its output head
    private const string Contents = "an adapter";
    private static readonly string[] SavedAlong = [".wte.", ".wpe.", ".ln_1.", ".ln_2.", ".ln_f.", ".lm_head.", ".score.", ".classifier.", ".modules_to_save."];
    private const string Remedy = "Use the adapter with the base that it was trained on, or train one for this base.";

    private readonly SafeTensorsFile _file;
    private readonly string _prefix;

    private LoraCheckpoint(string folder, LoraOptions options, string? baseModel, IReadOnlyList<GptParameterInfo> tensors, SafeTensorsFile file, string prefix)
    {
        Folder = folder;
        Options = options;
        BaseModel = baseModel;
        Tensors = tensors;
        _file = file;
        _prefix = prefix;
    }

    /// <summary>The folder's full path.</summary>
    public string Folder { get; }

    /// <summary>What the adapter is.</summary>
    public LoraOptions Options { get; }

    /// <summary>The name or path of the base that the adapter says it was trained on, or null.</summary>
    public string? BaseModel { get; }

    /// <summary>The adapter's tensors, as <see cref="LoraLayout"/> lists them.</summary>
    public IReadOnlyList<GptParameterInfo> Tensors { get; }

    /// <summary>Whether a folder holds an adapter's configuration.</summary>
    /// <param name="folder">The folder.</param>
    public static bool Exists(string folder) => File.Exists(Path.Combine(folder, ConfigFile));

    /// <summary>Opens an adapter for a base, and checks that each tensor is there, in the shape that the base asks for, and nothing else.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="config">The base's shape.</param>
    /// <param name="filePrefix">What the names of its two files begin with; nothing in PEFT's layout.</param>
    /// <returns>The adapter, which the caller disposes.</returns>
    /// <exception cref="CheckpointNotFoundException">The folder or one of its two files is missing.</exception>
    /// <exception cref="CorruptFileException">A file breaks the rules of its format.</exception>
    /// <exception cref="UnsupportedAdapterException">The adapter asks for something that this library does not do.</exception>
    /// <exception cref="TensorMismatchException">A tensor is missing, unknown, or has another shape: the adapter belongs to another base.</exception>
    public static LoraCheckpoint Open(string folder, GptConfig config, string filePrefix = "")
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        ArgumentNullException.ThrowIfNull(config);
        string path = Path.GetFullPath(folder);
        return AtomicFolder.ReadWhole(path, () => OpenOnce(path, config, filePrefix));
    }

    private static LoraCheckpoint OpenOnce(string path, GptConfig config, string filePrefix)
    {
        if (!Directory.Exists(path)) throw Missing("there is no such folder.");
        string configPath = Path.Combine(path, filePrefix + ConfigFile), weightsPath = Path.Combine(path, filePrefix + WeightsFile);
        if (!File.Exists(configPath)) throw Missing($"it has no {filePrefix}{ConfigFile}.");
        if (!File.Exists(weightsPath)) throw Missing($"it has no {filePrefix}{WeightsFile}.");
        using CheckpointJson json = CheckpointJson.Read(configPath);
        LoraOptions options = LoraConfigJson.Read(json, config);
        IReadOnlyList<GptParameterInfo> tensors = LoraLayout.Of(config, options);
        SafeTensorsFile file = SafeTensorsFile.Open(weightsPath);
        try
        {
            string prefix = file.Tensors.Any(static t => t.Name.StartsWith(Prefix, StringComparison.Ordinal)) ? Prefix : BarePrefix;
            Check(file, tensors, prefix, config);
            return new(path, options, json.String("base_model_name_or_path"), tensors, file, prefix);
        }
        catch
        {
            file.Dispose();
            throw;
        }

        CheckpointNotFoundException Missing(string problem) => new(path, problem, "Name a folder that SaveAdapter or PEFT's save_pretrained wrote.");
    }

    /// <summary>Copies one tensor as float32, row-major.</summary>
    /// <param name="name">A name of <see cref="Tensors"/>.</param>
    /// <param name="destination">Exactly as many elements as the tensor has.</param>
    /// <exception cref="ArgumentException">The name is unknown, or the destination's length is not the tensor's.</exception>
    public void Read(string name, Span<float> destination)
    {
        GptParameterInfo info = Tensors.FirstOrDefault(tensor => tensor.Name == name) ?? throw new ArgumentException($"The adapter has no tensor '{name}'.", nameof(name));
        if (destination.Length != info.ElementCount)
            throw new ArgumentException($"Tensor '{name}' is {info.ShapeText}, {info.ElementCount} elements; the destination has {destination.Length}.", nameof(destination));
        _file.Read(_prefix + name, destination);
    }

    /// <summary>
    /// Writes an adapter, float32. The folder appears, or replaces the adapter of that name, only when it is complete and on the disk.
    /// </summary>
    /// <param name="folder">The folder. If it exists, it may hold nothing but an adapter.</param>
    /// <param name="config">The base's shape.</param>
    /// <param name="options">What the adapter is.</param>
    /// <param name="read">Gives a tensor of <see cref="LoraLayout"/> by its name: as <see cref="Read"/>. Called once for each.</param>
    /// <param name="baseModel">The base's name or path, which PEFT fetches it by; null (the default) names none.</param>
    /// <param name="addFiles">Called with the path of the unfinished folder, to add files that must appear together with the adapter. Their names must be among an adapter's.</param>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="FolderNotReplaceableException">The existing folder holds something that isn't part of an adapter.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing this folder.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    public static void Write(string folder, GptConfig config, LoraOptions options, Action<string, float[]> read, string? baseModel = null, Action<string>? addFiles = null)
    {
        ArgumentNullException.ThrowIfNull(read);
        using var target = new AtomicFolder(folder, Belongs, Contents);
        target.Fill(work =>
        {
            WriteFiles(work, "", config, options, read, baseModel);
            addFiles?.Invoke(work);
        });
        target.Publish();
    }

    /// <summary>Writes an adapter's two files into an existing folder, beside others. Each appears, or replaces the one of its name, only when it is complete.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="filePrefix">What their names begin with.</param>
    /// <param name="config">The base's shape.</param>
    /// <param name="options">What the adapter is.</param>
    /// <param name="read">As for <see cref="Write"/>.</param>
    /// <param name="baseModel">The base's name or path, or null.</param>
    /// <exception cref="FolderNotWritableException">The folder can't be written.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    public static void WriteFiles(string folder, string filePrefix, GptConfig config, LoraOptions options, Action<string, float[]> read, string? baseModel = null)
    {
        var tensors = LoraLayout.Of(config, options).ToDictionary(static tensor => Prefix + tensor.Name, StringComparer.Ordinal);
        SafeTensorsWriter.Write(
            Path.Combine(folder, filePrefix + WeightsFile),
            tensors.Select(static pair => new SafeTensorInfo(pair.Key, SafeTensorType.Float32, pair.Value.Shape)),
            (tensor, stream) =>
            {
                var values = new float[tensor.ElementCount];
                read(tensors[tensor.Name].Name, values);
                NumberBytes.Write<float>(stream, values);
            },
            new Dictionary<string, string> { ["format"] = "pt" });
        AtomicFile.Write(Path.Combine(folder, filePrefix + ConfigFile), stream => LoraConfigJson.Write(stream, options, baseModel, "CAUSAL_LM"));
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static bool Belongs(string name) => name is ConfigFile or WeightsFile or "README.md" or GptCheckpoint.TrainingStateFolder;

    private static void Check(SafeTensorsFile file, IReadOnlyList<GptParameterInfo> tensors, string prefix, GptConfig config)
    {
        // What PEFT saves along where the vocabulary was enlarged, or modules_to_save named it, is part of the model: without it the adapter is another one.
        string[] along = [.. file.Tensors.Select(static tensor => tensor.Name).Where(static name => SavedAlong.Any(module => name.Contains(module, StringComparison.Ordinal)))];
        if (along.Length > 0)
            throw new UnsupportedAdapterException(file.Path, along[0], $"saved along{(along.Length > 1 ? $" with {string.Join(", ", along.Skip(1).Take(3))}{(along.Length > 4 ? ", …" : "")}" : "")}", "an adapter of the blocks' projections alone, without embeddings, LayerNorms or a head of its own");

        foreach (GptParameterInfo tensor in tensors)
        {
            SafeTensorInfo? found = file.Find(prefix + tensor.Name);
            if (found is null || !found.Shape.SequenceEqual(tensor.Shape) || !found.Type.IsReadableAsSingle())
                throw new TensorMismatchException(file.Path, prefix + tensor.Name, $"{tensor.ShapeText} for a base of {config.LayerCount} layers of {config.EmbeddingSize}", found?.ToString() ?? "nothing", Remedy);
        }

        var known = tensors.Select(tensor => prefix + tensor.Name).ToHashSet(StringComparer.Ordinal);
        if (file.Tensors.FirstOrDefault(tensor => !known.Contains(tensor.Name)) is { } unknown)
            throw new TensorMismatchException(file.Path, unknown.Name, $"no such tensor for a base of {config.LayerCount} layers of {config.EmbeddingSize}", unknown.ToString(), Remedy);
    }
}
