using System.Globalization;
using System.Text;
using MLNet.Gpt.Onnx;

namespace MLNet.Gpt;

/// <summary>Writes a GPT as an ONNX package: a folder that ONNX Runtime runs on a CPU or a CUDA GPU, with a key/value cache, in float32 or fewer bits.</summary>
/// <remarks>
/// Thread-safe. Needs no Python, no TorchSharp and no ONNX Runtime. Holds one weight in memory at a time. docs/onnx-package.md describes the
/// package.
/// </remarks>
public static class OnnxExporter
{
    private const string Contents = "an ONNX package";

    /// <summary>
    /// Writes a checkpoint folder as a package: graph, weights, configuration, and what it has of tokenizer files and generation settings. The
    /// package appears, or replaces the one of that name, only when it is complete and on the disk.
    /// </summary>
    /// <param name="checkpointFolder">A folder in Hugging Face's layout for GPT-1 or GPT-2.</param>
    /// <param name="packageFolder">The package's folder. If it exists, it may hold nothing but a package.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/> before the next weight is read; what was there stays.</param>
    /// <exception cref="CheckpointNotFoundException">The folder, its config.json or its safetensors weights are missing.</exception>
    /// <exception cref="CorruptFileException">A file of the checkpoint breaks the rules of its format.</exception>
    /// <exception cref="UnsupportedModelException">The checkpoint asks for a computation that this library does not perform.</exception>
    /// <exception cref="TensorMismatchException">A tensor is missing, misshaped, of another type, or unknown.</exception>
    /// <exception cref="TokenizerMismatchException">The checkpoint's tokenizer has more tokens than its model.</exception>
    /// <exception cref="FolderNotWritableException">The package's folder can't be created or written.</exception>
    /// <exception cref="FolderNotReplaceableException">The existing folder holds something that isn't part of a package.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing the package.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    /// <exception cref="TrunkMismatchException">A head was trained over other weights.</exception>
    /// <exception cref="ArgumentException">An option is outside its range, or two don't go together; or a weight can't be kept in the format asked for.</exception>
    public static void Export(string checkpointFolder, string packageFolder, OnnxExportOptions? options = null, CancellationToken cancellationToken = default)
    {
        using GptCheckpoint checkpoint = GptCheckpoint.Open(checkpointFolder);
        Export(checkpoint, checkpoint, packageFolder, options, cancellationToken);
    }

    /// <summary>Writes a checkpoint folder with a LoRA adapter merged into its weights as a package; else as <see cref="Export(string, string, OnnxExportOptions?, CancellationToken)"/>.</summary>
    /// <param name="checkpointFolder">The base: a folder in Hugging Face's layout for GPT-1 or GPT-2.</param>
    /// <param name="adapterFolder">The adapter's folder, in PEFT's layout.</param>
    /// <param name="packageFolder">The package's folder. If it exists, it may hold nothing but a package.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/> before the next weight is read; what was there stays.</param>
    /// <exception cref="CheckpointNotFoundException">A folder or one of its files is missing.</exception>
    /// <exception cref="CorruptFileException">A file of the checkpoint or the adapter breaks the rules of its format.</exception>
    /// <exception cref="UnsupportedModelException">The checkpoint asks for a computation that this library does not perform.</exception>
    /// <exception cref="UnsupportedAdapterException">The adapter does.</exception>
    /// <exception cref="TensorMismatchException">A tensor is missing, misshaped, of another type, or unknown; or the adapter belongs to another base.</exception>
    /// <exception cref="TokenizerMismatchException">The checkpoint's tokenizer has more tokens than its model.</exception>
    /// <exception cref="FolderNotWritableException">The package's folder can't be created or written.</exception>
    /// <exception cref="FolderNotReplaceableException">The existing folder holds something that isn't part of a package.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing the package.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    /// <exception cref="TrunkMismatchException">A head was trained over other weights.</exception>
    /// <exception cref="ArgumentException">An option is outside its range, or two don't go together; or a weight can't be kept in the format asked for.</exception>
    public static void ExportMerged(string checkpointFolder, string adapterFolder, string packageFolder, OnnxExportOptions? options = null, CancellationToken cancellationToken = default)
    {
        using GptCheckpoint checkpoint = GptCheckpoint.Open(checkpointFolder);
        using LoraCheckpoint adapter = LoraCheckpoint.Open(adapterFolder, checkpoint.Config);
        Export(checkpoint, new MergedWeights(checkpoint, adapter), packageFolder, options, cancellationToken);
    }

    /// <summary>
    /// Writes a checkpoint folder as a package with LoRA adapters beside its weights, which are loaded with it: one copy of the weights serves them all. The graph leaves room at the projections that one of them adapts, and at
    /// <see cref="OnnxExportOptions.AdaptableProjections"/>; else as <see cref="Export(string, string, OnnxExportOptions?, CancellationToken)"/>.
    /// </summary>
    /// <param name="checkpointFolder">The base: a folder in Hugging Face's layout for GPT-1 or GPT-2.</param>
    /// <param name="adapterFolders">The adapters' folders, in PEFT's layout, by their names: 1 to 64 letters, digits, '-' or '_', which do not differ by case alone.</param>
    /// <param name="packageFolder">The package's folder. If it exists, it may hold nothing but a package.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/> before the next weight is read; what was there stays.</param>
    /// <exception cref="CheckpointNotFoundException">A folder or one of its files is missing.</exception>
    /// <exception cref="CorruptFileException">A file of the checkpoint or of an adapter breaks the rules of its format.</exception>
    /// <exception cref="UnsupportedModelException">The checkpoint asks for a computation that this library does not perform.</exception>
    /// <exception cref="UnsupportedAdapterException">An adapter does.</exception>
    /// <exception cref="TensorMismatchException">A tensor is missing, misshaped, of another type, or unknown; or an adapter belongs to another base.</exception>
    /// <exception cref="TokenizerMismatchException">The checkpoint's tokenizer has more tokens than its model.</exception>
    /// <exception cref="FolderNotWritableException">The package's folder can't be created or written.</exception>
    /// <exception cref="FolderNotReplaceableException">The existing folder holds something that isn't part of a package.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing the package.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    /// <exception cref="ArgumentException">A name is none, or two are the same; an option is outside its range, or two don't go together; or a weight can't be kept in the format asked for.</exception>
    public static void ExportWithAdapters(string checkpointFolder, IReadOnlyDictionary<string, string> adapterFolders, string packageFolder, OnnxExportOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(adapterFolders);
        options ??= new OnnxExportOptions();
        using GptCheckpoint checkpoint = GptCheckpoint.Open(checkpointFolder);
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        LoraProjections projections = options.AdaptableProjections;
        foreach ((string name, string folder) in adapterFolders)
        {
            if (!OnnxPackageLayout.IsPlainName(name)) throw new ArgumentException($"'{name}' is no adapter's name; use 1 to 64 letters, digits, '-' or '_'.", nameof(adapterFolders));
            if (!names.Add(name)) throw new ArgumentException($"There are two adapters '{name}'; give each a name that differs by more than case.", nameof(adapterFolders));
            using LoraCheckpoint adapter = LoraCheckpoint.Open(folder, checkpoint.Config);
            projections |= adapter.Options.Projections;
        }

        Export(checkpoint, checkpoint, packageFolder, options with { AdaptableProjections = projections }, cancellationToken, target =>
        {
            foreach ((string name, string folder) in adapterFolders)
            {
                foreach (string file in (string[])[LoraCheckpoint.ConfigFile, LoraCheckpoint.WeightsFile]) Copy(Path.Combine(folder, file), Path.Combine(target, OnnxPackageLayout.AdapterPrefix(name) + file));
            }
        });
    }

    private static void Export(GptCheckpoint checkpoint, IGptWeights weights, string packageFolder, OnnxExportOptions? options, CancellationToken cancellationToken, Action<string>? addFiles = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(packageFolder);
        options ??= new OnnxExportOptions();
        options.Validate();
        using var target = new AtomicFolder(packageFolder, OnnxPackageLayout.Belongs, Contents);
        target.Fill(work =>
        {
            Write(new CancellableWeights(weights, cancellationToken), work, options with
            {
                TokenizerHash = options.TokenizerHash ?? checkpoint.Tokenizer?.Hash,
                EndOfTextId = options.EndOfTextId ?? checkpoint.Tokenizer?.EndOfTextId,
            });
            foreach (string name in OnnxPackageLayout.CompanionFiles)
            {
                string source = Path.Combine(checkpoint.Folder, name);
                if (File.Exists(source)) Copy(source, Path.Combine(work, name));
            }

            // The package's config.json is written anew: begin and end tokens that the checkpoint's alone names go into generation_config.json.
            if (checkpoint.Tokenizer is { } tokenizer)
            {
                ModelCompanions companions = ModelCompanions.Load(checkpoint.Folder, tokenizer);
                companions.Save(work);
                GenAiConfigJson.WriteCompanions(work, companions, tokenizer);
                GenAiConfigJson.WriteTokenizerConfig(work, tokenizer, checkpoint.Config.ContextLength);
            }

            addFiles?.Invoke(work);
        });
        target.Publish();
    }

    private static void Copy(string source, string path)
    {
        using FileStream file = File.OpenRead(source);
        AtomicFile.Write(path, file.CopyTo, file.Length);
    }

    /// <summary>
    /// Writes graph, weights and configuration into a folder; other files in it, such as a tokenizer's, stay. Each file appears, or replaces
    /// the one of its name, only when it is complete: weights that can't be read or written leave an older package as it was.
    /// </summary>
    /// <param name="weights">The model's weights; each is read once, a layer normalisation's twice where matrices are quantized, and once more for each head that names another model's.</param>
    /// <param name="packageFolder">The folder; created where it is missing.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing the package.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    /// <exception cref="TrunkMismatchException">A head was trained over other weights.</exception>
    /// <exception cref="ArgumentException">An option, or a value of the configuration, is outside its range; or a weight can't be kept in the format asked for.</exception>
    public static void Write(IGptWeights weights, string packageFolder, OnnxExportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentException.ThrowIfNullOrWhiteSpace(packageFolder);
        options ??= new OnnxExportOptions();
        options.Validate();
        SharedTrunk.Require(weights, options.Heads);
        GraphBuilder graph = GptGraph.Build(weights.Config, options);
        string config = GptConfigJson.Write(weights.Config, options.EndOfTextId, OnnxHead.FormsOf(options.Heads, weights.Config));
        WriteFiles(config, graph, new HeadedGraphWeights(weights, options.Heads), packageFolder, options);
        if (options.EndOfTextId is { } end)
            AtomicFile.Write(Path.Combine(packageFolder, OnnxPackageLayout.GenAiConfigFile), stream => stream.Write(Encoding.UTF8.GetBytes(GenAiConfigJson.Write(weights.Config, end, graph.SharesCache))));
    }

    /// <summary>
    /// Writes a GPT with a task head as a package: <c>input_ids</c> and <c>attention_mask</c> in, <c>logits</c> out, no key/value cache. Rows
    /// are padded on the right; the head reads at each row's last token.
    /// </summary>
    /// <param name="weights">The model's weights; each is read once, a layer normalisation's twice where matrices are quantized.</param>
    /// <param name="packageFolder">The folder; created where it is missing. Other files in it, such as a tokenizer's, stay.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing the package.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    /// <exception cref="ArgumentException">An option, the head, or a value of the configuration is outside its range; or a weight can't be kept in the format asked for.</exception>
    /// <exception cref="UnsupportedOptionException">Room for adapters is asked for.</exception>
    public static void WriteClassifier(IClassifierWeights weights, string packageFolder, OnnxExportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentException.ThrowIfNullOrWhiteSpace(packageFolder);
        options ??= new OnnxExportOptions();
        options.ValidateForHead();
        string config = ClassifierConfigJson.Write(weights.Config, weights.Head, options.EndOfTextId);
        WriteFiles(config, GptGraph.BuildClassifier(weights.Config, weights.Head, options), new ClassifierGraphWeights(weights), packageFolder, options);
    }

    /// <summary>
    /// Writes a reward model as a package: <c>input_ids</c> and <c>attention_mask</c> in, one of <c>logits</c> a row out, no key/value cache. Rows are padded on the right;
    /// the head reads at each row's last token.
    /// </summary>
    /// <param name="weights">The model's weights; each is read once, a layer normalisation's twice where matrices are quantized.</param>
    /// <param name="packageFolder">The folder; created where it is missing. Other files in it, such as a tokenizer's, stay.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing the package.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    /// <exception cref="ArgumentException">An option, the head, or a value of the configuration is outside its range; or a weight can't be kept in the format asked for.</exception>
    /// <exception cref="UnsupportedOptionException">Room for adapters is asked for.</exception>
    public static void WriteReward(IRewardWeights weights, string packageFolder, OnnxExportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentException.ThrowIfNullOrWhiteSpace(packageFolder);
        options ??= new OnnxExportOptions();
        options.ValidateForHead();
        string config = RewardConfigJson.Write(weights.Config, weights.Head, options.EndOfTextId);
        WriteFiles(config, GptGraph.BuildReward(weights.Config, weights.Head, options), new RewardGraphWeights(weights), packageFolder, options);
    }

    private static void WriteFiles(string config, GraphBuilder graph, IGptWeights weights, string packageFolder, OnnxExportOptions options)
    {
        var writer = new OnnxModelWriter(ModelHeader(config, graph, options), graph, weights);
        string modelPath = Path.Combine(packageFolder, OnnxPackageLayout.ModelFile), dataPath = Path.Combine(packageFolder, OnnxPackageLayout.DataFile);

        if (writer.WeightBytes > options.ExternalDataThresholdBytes)
        {
            // An old graph must not meet new weights, should this be cut short between the two.
            AtomicFile.Write(dataPath, stream =>
            {
                writer.WriteWeights(stream, OnnxPackageLayout.DataFile);
                Remove(modelPath);
            }, writer.WeightBytes);
            AtomicFile.Write(modelPath, writer.WriteWithoutWeights);
        }
        else
        {
            AtomicFile.Write(modelPath, writer.WriteEmbedded, writer.WeightBytes);
            Remove(dataPath);
        }

        // Behind the weights, which may fail: an older package is whole until then.
        AtomicFile.Write(Path.Combine(packageFolder, OnnxPackageLayout.ConfigFile), stream => stream.Write(Encoding.UTF8.GetBytes(config)));
    }

    private static ModelProto ModelHeader(string config, GraphBuilder graph, OnnxExportOptions options)
    {
        var model = new ModelProto
        {
            IrVersion = GptGraph.IrVersion,
            ProducerName = "MLNet.Gpt",
            ProducerVersion = typeof(OnnxExporter).Assembly.GetName().Version!.ToString(3),
        };
        bool isStandard = options.Operators == GraphOperators.Standard;
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = isStandard ? GptGraph.StandardOpsetVersion : GptGraph.OpsetVersion });
        if (!isStandard) model.OpsetImport.Add(new OperatorSetIdProto { Domain = GraphBuilder.ContribDomain, Version = 1 });
        Add(OnnxPackageLayout.FormatVersionKey, OnnxPackageLayout.FormatVersion.ToString(CultureInfo.InvariantCulture));
        Add(OnnxPackageLayout.ConfigKey, config);
        Add(OnnxPackageLayout.WeightsKey, options.Weights.ToString());
        if (graph.SharesCache) Add(OnnxPackageLayout.CacheKey, OnnxPackageLayout.SharedCache);
        if (options.AdaptableProjections != LoraProjections.None)
            Add(OnnxPackageLayout.AdaptersKey, string.Join(',', LoraLayout.Modules.Where(module => options.AdaptableProjections.HasFlag(module.Projection)).Select(static module => module.Module)));
        if (options.TokenizerHash is { } hash) Add(OnnxPackageLayout.TokenizerHashKey, hash);
        return model;

        void Add(string key, string value) => model.MetadataProps.Add(new StringStringEntryProto { Key = key, Value = value });
    }

    private static void Remove(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new FolderNotWritableException(Path.GetDirectoryName(Path.GetFullPath(path))!, exception);
        }
    }
}
