using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MLNet.Gpt;

/// <summary>A GPT that ONNX Runtime computes, on a CPU or a CUDA GPU: a package of this library's exporter, or one that Optimum wrote for GPT-2.</summary>
/// <remarks>
/// May be used from several threads at once; each takes a decoder of its own, and all share the weights and the threads that compute. Disposing
/// the model meanwhile is safe: weights and threads stay until the last call has ended and the last decoder has been disposed. The package's files are not read again after loading, except by
/// <see cref="WriteOnnxPackage"/>.
/// </remarks>
public sealed class OnnxCausalModel : IAdaptableHiddenStateModel, IResumableModel, IOnnxExportable, IOnnxPackaged
{
    private readonly OnnxPackage package;
    private readonly OnnxEngineOptions options;
    private readonly MappedTable? table; // which the session reads
    private readonly OnceValue<CacheGather> rowGather, positionGather;
    private readonly OnceValue<byte[]> fingerprint;
    private readonly NativeLifetime lifetime;

    private OnnxCausalModel(OnnxPackage package, InferenceSession session, MappedTable? table, GptDevice device, OnnxEngineOptions options)
    {
        (this.package, this.table, this.options) = (package, table, options);
        lifetime = new NativeLifetime(this, Free);
        Session = session;
        Device = device;
        Cache = CacheShape.Of(session, package.Config, device);
        rowGather = new(() => new CacheGather(device, options, Cache.Type, CacheGather.Rows));
        positionGather = new(() => new CacheGather(device, options, Cache.Type, CacheGather.Positions));
        fingerprint = new(package.ComputeFingerprint);
        AdapterTable = new(package, OnnxAdapters.ProjectionsOf(session, package, Cache.Type), Cache.Type);
        KeepAllLogits = Scalar(0);
        KeepLastLogits = Scalar(1);
        KeepNoLogits = Scalar(-int.MaxValue); // what the graph takes as "from the position int.MaxValue on"
        TakesLogitsToKeep = session.OverridableInitializerMetadata.ContainsKey(OnnxPackageLayout.LogitsToKeep) || session.InputMetadata.ContainsKey(OnnxPackageLayout.LogitsToKeep);
        TokenizerHash = session.ModelMetadata.CustomMetadataMap.GetValueOrDefault(OnnxPackageLayout.TokenizerHashKey);
        Weights = Enum.TryParse(session.ModelMetadata.CustomMetadataMap.GetValueOrDefault(OnnxPackageLayout.WeightsKey), out WeightFormat weights) ? weights : WeightFormat.Float32;
        CacheMemory = device.CudaIndex is { } index
            ? new OrtMemoryInfo(OrtMemoryInfo.allocatorCUDA, OrtAllocatorType.ArenaAllocator, index, OrtMemType.Default)
            : null;

        int layers = Config.LayerCount;
        InputNames =
        [
            OnnxPackageLayout.InputIds, OnnxPackageLayout.AttentionMask, OnnxPackageLayout.PositionIds,
            .. TakesLogitsToKeep ? [OnnxPackageLayout.LogitsToKeep] : Array.Empty<string>(),
            .. Enumerable.Range(0, layers).SelectMany(static layer => new[] { OnnxPackageLayout.PastKey(layer), OnnxPackageLayout.PastValue(layer) }),
        ];
        AdaptedInputNames = [.. InputNames, OnnxPackageLayout.AdapterScales, .. AdapterTable.Inputs.Select(static input => input.Name)];
        OutputNames =
        [
            OnnxPackageLayout.Logits,
            .. Enumerable.Range(0, layers).SelectMany(static layer => new[] { OnnxPackageLayout.PresentKey(layer), OnnxPackageLayout.PresentValue(layer) }),
        ];
    }

    OnnxPackage IOnnxPackaged.Package => package;

    void IOnnxPackaged.WriteAdapters(string folder) => WriteAdapters(folder);

    /// <inheritdoc/>
    public GptConfig Config => package.Config;

    /// <inheritdoc/>
    public GptDevice Device { get; }

    /// <summary>The package's folder, its full path.</summary>
    public string Folder => package.Folder;

    /// <summary>The hash of the tokenizer that the model was trained with; null where the package does not tell.</summary>
    public string? TokenizerHash { get; }

    /// <summary>The numbers that the package keeps its matrices in; <see cref="WeightFormat.Float32"/> where it does not tell.</summary>
    public WeightFormat Weights { get; }

    /// <inheritdoc/>
    public LoraProjections AdaptableProjections => AdapterTable.Projections;

    /// <inheritdoc/>
    public IReadOnlyCollection<IModelAdapter> Adapters => AdapterTable.Loaded;

    /// <summary>The heads that the package has beside the language model's, by their names, over the same weights (<see cref="OnnxExportOptions.Heads"/>).</summary>
    public IReadOnlyDictionary<string, OnnxHeadKind> Heads => package.HeadKinds;

    internal InferenceSession Session { get; }

    /// <summary>The adapters.</summary>
    internal OnnxAdapters AdapterTable { get; }

    /// <summary>The same names as <see cref="InputNames"/>, and behind them the adapters' scales and matrices.</summary>
    internal string[] AdaptedInputNames { get; }

    /// <summary>The names of what a decoder passes: ids, mask, positions, (the logits to keep,) then each layer's keys and values.</summary>
    internal string[] InputNames { get; }

    /// <summary>The names of what a decoder receives: logits, then each layer's keys and values.</summary>
    internal string[] OutputNames { get; }

    /// <summary>Whether the graph can leave out the logits of all positions but the last.</summary>
    internal bool TakesLogitsToKeep { get; }

    internal OrtValue KeepAllLogits { get; }

    internal OrtValue KeepLastLogits { get; }

    /// <summary>For graphs of this library's exporter.</summary>
    internal OrtValue KeepNoLogits { get; }

    /// <summary>The GPU's memory; null on the CPU.</summary>
    internal OrtMemoryInfo? CacheMemory { get; }

    /// <summary>What the key/value cache is made of.</summary>
    internal CacheShape Cache { get; }

    /// <summary>Whether a call of so many tokens gives the memory of its activations back.</summary>
    internal bool GivesMemoryBack(long tokens) => OrtRuntime.GivesMemoryBack(Device, options, tokens);

    internal CacheGather RowGather => rowGather.Value;

    internal CacheGather PositionGather => positionGather.Value;

    /// <summary>What a saved state must have in common with this model. The first call reads the package's files.</summary>
    /// <exception cref="CheckpointNotFoundException">A file of the package is no longer there.</exception>
    internal DecoderStateForm StateForm => new(
        Cache.Type switch { TensorElementType.Float16 => WeightFormat.Float16, TensorElementType.BFloat16 => WeightFormat.BFloat16, _ => WeightFormat.Float32 },
        Config.LayerCount, Cache.Heads, Cache.HeadSize, fingerprint.Value);

    /// <summary>Loads a package and checks that its graph is a GPT of its config.json's shape.</summary>
    /// <param name="folder">A folder with <c>model.onnx</c> and <c>config.json</c>.</param>
    /// <param name="device">Where to compute; null (the default) takes the first CUDA GPU if ONNX Runtime can use one, else the CPU.</param>
    /// <param name="options">Threads and precision; null for <see cref="OnnxEngineOptions.Default"/>.</param>
    /// <returns>The model, which the caller disposes.</returns>
    /// <exception cref="CheckpointNotFoundException">The folder, its model.onnx or its config.json is missing.</exception>
    /// <exception cref="CorruptFileException">A file is not what its format says, points outside the folder, or does not fit the other.</exception>
    /// <exception cref="UnsupportedModelException">The package asks for a computation that this library does not perform.</exception>
    /// <exception cref="TensorMismatchException">An adapter in the package belongs to a base of another shape.</exception>
    /// <exception cref="UnsupportedAdapterException">An adapter in the package asks for something that the graph does not offer.</exception>
    /// <exception cref="DeviceUnavailableException">A CUDA GPU is asked for that ONNX Runtime can't use.</exception>
    /// <exception cref="NativeLibraryException">ONNX Runtime's native library can't be loaded.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its range.</exception>
    public static OnnxCausalModel Load(string folder, GptDevice? device = null, OnnxEngineOptions? options = null)
    {
        options ??= OnnxEngineOptions.Default;
        options.Validate();
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return AtomicFolder.ReadWhole(folder, () => LoadOnce(folder, device, options));
    }

    private static OnnxCausalModel LoadOnce(string folder, GptDevice? device, OnnxEngineOptions options)
    {
        OnnxPackage package = OnnxPackage.Open(folder);
        MappedTable? table = MappedTable.Of(package);
        InferenceSession? session = null;
        try
        {
            (session, GptDevice chosen) = OrtRuntime.Open(package.ModelPath, device, options, table);
            OnnxModelChecks.Require(session, package);
            var model = new OnnxCausalModel(package, session, table, chosen, options);
            (session, table) = (null, null); // the model's now
            return Owned.Into(model, static loaded =>
            {
                loaded.AdapterTable.LoadAll();
                return loaded;
            });
        }
        catch
        {
            session?.Dispose();
            table?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public ICausalDecoder BeginDecoding(int rowCount, int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rowCount, 1);
        return Begin(new OnnxAdapter?[rowCount], capacity);
    }

    /// <inheritdoc/>
    public ICausalDecoder BeginDecoding(IReadOnlyList<IModelAdapter?> adapters, int capacity)
    {
        return Begin(Own(adapters), capacity);
    }

    /// <inheritdoc/>
    public IModelAdapter LoadAdapter(string name, string folder)
    {
        using NativeLease lease = lifetime.Acquire();
        return AdapterTable.Load(name, folder);
    }

    /// <inheritdoc/>
    public bool UnloadAdapter(string name) => AdapterTable.Unload(name);

    internal OnnxCausalDecoder Begin(OnnxAdapter?[] adapters, int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        NativeLease lease = lifetime.Acquire(); // the decoder's, until it is disposed
        try
        {
            return new OnnxCausalDecoder(this, lease, adapters, capacity);
        }
        catch
        {
            lease.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="CheckpointNotFoundException">The package's own folder, which tells one model from another, is no longer there.</exception>
    public ISavableDecoder ResumeDecoding(Stream source, int capacity)
    {
        using NativeLease lease = lifetime.Acquire();
        DecoderStateFile state = DecoderStateFile.Open(source, StateForm, Config.ContextLength, capacity);
        IReadOnlyCollection<OnnxAdapter> loaded = AdapterTable.Loaded;
        OnnxAdapter?[] adapters = [.. state.Rows.Select(row => loaded.FirstOrDefault(one => one.Fingerprint.AsSpan().SequenceEqual(row.Adapter)))];
        for (int row = 0; row < adapters.Length; row++) state.RequireAdapter(state.Rows[row], adapters[row] is not null);
        return state.Into(Begin(adapters, capacity), decoder => decoder.Take(state));
    }

    /// <inheritdoc/>
    /// <exception cref="InferenceFailedException">ONNX Runtime failed while it computed.</exception>
    public void ComputeHiddenStates(ReadOnlySpan<int> tokenIds, int rowCount, Span<float> hidden, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rowCount, 1);
        ComputeHidden(tokenIds, new OnnxAdapter?[rowCount], hidden, cancellationToken);
    }

    /// <inheritdoc/>
    /// <exception cref="InferenceFailedException">ONNX Runtime failed while it computed.</exception>
    public void ComputeHiddenStates(ReadOnlySpan<int> tokenIds, IReadOnlyList<IModelAdapter?> adapters, Span<float> hidden, CancellationToken cancellationToken = default) =>
        ComputeHidden(tokenIds, Own(adapters), hidden, cancellationToken);

    private void ComputeHidden(ReadOnlySpan<int> tokenIds, OnnxAdapter?[] adapters, Span<float> hidden, CancellationToken cancellationToken)
    {
        using NativeLease lease = lifetime.Acquire();
        int t = HiddenStateChecks.Validate(Config, tokenIds, adapters.Length, hidden);
        if (!Session.OutputMetadata.ContainsKey(OnnxPackageLayout.LastHiddenState))
        {
            throw new HiddenStatesUnavailableException(package.ModelPath, $"its graph has no output '{OnnxPackageLayout.LastHiddenState}'.",
                "Export the model again with this version of the library, from its checkpoint (OnnxExporter) or from the fitted transformer.");
        }

        int[] lengths = new int[adapters.Length];
        lengths.AsSpan().Fill(t);
        OnnxRowPass.Compute(this, tokenIds, lengths, adapters, OnnxPackageLayout.LastHiddenState, [adapters.Length, t, Config.EmbeddingSize], hidden, KeepLastLogits, cancellationToken); // the graph computes logits too, but no more than it must
    }

    /// <summary>Computes one of the heads for whole rows, and no logits.</summary>
    /// <param name="name">The head's name, of <see cref="Heads"/>.</param>
    /// <param name="tokenIds">(R, T), row-major, padded on the right with any id of the vocabulary; T is at most the context length. The tokens that the head adds have the ids from V on, V the vocabulary's size.</param>
    /// <param name="lengths">(R): each row's tokens, 1 to T; all kinds but <see cref="OnnxHeadKind.Value"/> and a mean read at the last one.</param>
    /// <param name="outputs">
    /// Receives what <see cref="OnnxHeadKind"/> says of R rows, row-major: values at padding mean nothing; of a classifier whose rows are read together, one output for <see cref="ClassifierHead.SequencesPerOutput"/> of them.
    /// </param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>, while it computes.</param>
    /// <exception cref="UnknownHeadException">The package has no head of this name.</exception>
    /// <exception cref="ArgumentException">The lengths of the spans do not fit together.</exception>
    /// <exception cref="PromptTooLongException">T exceeds the context length.</exception>
    /// <exception cref="TokenOutOfRangeException">An id is neither of the vocabulary nor one that the head adds.</exception>
    /// <exception cref="InferenceFailedException">ONNX Runtime failed while it computed.</exception>
    public void RunHead(string name, ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, Span<float> outputs, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        using NativeLease lease = lifetime.Acquire();
        PackageHead head = package.RequireHead(name, kind: null);
        HeadRowChecks.Validate(Config, head.AddedTokenCount, head.SequencesPerOutput, t => head.OutputsOf(t, Config), tokenIds, lengths, outputs, nameof(outputs), "Cut the rows.");
        OnnxSharedHead.Compute(this, head, tokenIds, lengths, outputs, cancellationToken);
    }

    /// <summary>Opens one of the heads as a model of its own, which keeps the session open until it is disposed.</summary>
    /// <exception cref="UnknownHeadException">The package has no such head.</exception>
    internal OnnxTextClassifier OpenClassifier(string? name)
    {
        PackageHead head = package.RequireHead(name, OnnxHeadKind.Classifier);
        return new(head.Classifier!, new OnnxSharedHead(this, lifetime.Acquire(), head));
    }

    /// <summary>The same for a reward model.</summary>
    /// <exception cref="UnknownHeadException">The package has no such head.</exception>
    internal OnnxRewardModel OpenRewardModel(string? name)
    {
        PackageHead head = package.RequireHead(name, OnnxHeadKind.Reward);
        return new(head.Reward!, new OnnxSharedHead(this, lifetime.Acquire(), head));
    }

    /// <inheritdoc/>
    /// <exception cref="CheckpointNotFoundException">The package's own folder is no longer there.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be written.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    public void WriteOnnxPackage(string folder, OnnxExportOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        package.CopyTo(folder, options);
        WriteAdapters(folder);
    }

    /// <summary>Writes the loaded adapters' files into a folder.</summary>
    internal void WriteAdapters(string folder)
    {
        foreach (OnnxAdapter adapter in AdapterTable.Loaded) adapter.Write(folder);
    }

    /// <summary>Releases the weights and the threads: at once, or when the last call has ended and the last decoder has been disposed. May be called more than once.</summary>
    public void Dispose() => lifetime.Dispose();

    /// <summary>Rows' adapters, which this model has loaded.</summary>
    private OnnxAdapter?[] Own(IReadOnlyList<IModelAdapter?> adapters)
    {
        ArgumentNullException.ThrowIfNull(adapters);
        if (adapters.Count == 0) throw new ArgumentException("There are no rows; give an adapter, or null, for each.", nameof(adapters));
        return [.. adapters.Select(one => one as OnnxAdapter is { } adapter && adapter.IsOf(AdapterTable) ? adapter
            : one is null ? null : throw new ArgumentException($"The adapter '{one.Name}' is not one of this model's; load it here.", nameof(adapters)))];
    }

    private void Free()
    {
        if (rowGather.IsCreated) rowGather.Value.Dispose();
        if (positionGather.IsCreated) positionGather.Value.Dispose();
        KeepAllLogits.Dispose();
        KeepLastLogits.Dispose();
        KeepNoLogits.Dispose();
        CacheMemory?.Dispose();
        Session.Dispose();
        table?.Dispose();
    }

    private static OrtValue Scalar(long value) => OrtValue.CreateTensorValueFromMemory([value], []);
}
