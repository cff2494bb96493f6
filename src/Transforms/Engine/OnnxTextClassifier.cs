namespace MLNet.Gpt;

/// <summary>A GPT with a task head that ONNX Runtime computes: a package of this library's exporter.</summary>
/// <remarks>Several threads may call <see cref="Run"/> at once. The package's files are not read again after loading, except by <see cref="WriteOnnxPackage"/>.</remarks>
public sealed class OnnxTextClassifier : ITextClassifierModel, IOnnxExportable, IOnnxPackaged
{
    private const string Remedy = "Export the model again with GptClassifier.ExportOnnx, or copy the whole package again.";

    private readonly IOnnxHead _head;
    private readonly NativeLifetime _lifetime;

    /// <param name="head">The head.</param>
    /// <param name="session">What computes it; owned by the model from now on.</param>
    internal OnnxTextClassifier(ClassifierHead head, IOnnxHead session)
    {
        _head = session;
        _lifetime = new NativeLifetime(this, session.Dispose);
        Head = head;
    }

    OnnxPackage IOnnxPackaged.Package => _head.Package;

    void IOnnxPackaged.WriteAdapters(string folder) => Shared?.Model.WriteAdapters(folder);

    /// <inheritdoc/>
    public GptConfig Config => _head.Package.Config;

    /// <inheritdoc/>
    public ClassifierHead Head { get; }

    /// <inheritdoc/>
    public GptDevice Device => _head.Device;

    /// <summary>The hash of the tokenizer that the model was trained with; null where the package does not tell.</summary>
    public string? TokenizerHash => _head.TokenizerHash;

    /// <summary>The head among several over one trunk that this is; null where the package is this head's alone.</summary>
    internal OnnxSharedHead? Shared => _head as OnnxSharedHead;

    /// <summary>Loads a package and checks that its graph is a GPT with the head that its config.json says.</summary>
    /// <param name="folder">A folder with <c>model.onnx</c> and <c>config.json</c>.</param>
    /// <param name="device">Where to compute; null (the default) takes the first CUDA GPU if ONNX Runtime can use one, else the CPU.</param>
    /// <param name="options">Threads and precision; null for <see cref="OnnxEngineOptions.Default"/>.</param>
    /// <param name="head">The head's name, where the package has several over one trunk (<see cref="OnnxExportOptions.Heads"/>); null (the default) for a package of its own.</param>
    /// <returns>The model, which the caller disposes.</returns>
    /// <exception cref="CheckpointNotFoundException">The folder, its model.onnx or its config.json is missing.</exception>
    /// <exception cref="CorruptFileException">A file is not what its format says, points outside the folder, has no task head, or does not fit the other.</exception>
    /// <exception cref="UnknownHeadException">The package has no such head, or several and none is named.</exception>
    /// <exception cref="UnsupportedModelException">The package asks for a computation that this library does not perform.</exception>
    /// <exception cref="DeviceUnavailableException">A CUDA GPU is asked for that ONNX Runtime can't use.</exception>
    /// <exception cref="NativeLibraryException">ONNX Runtime's native library can't be loaded.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its range.</exception>
    public static OnnxTextClassifier Load(string folder, GptDevice? device = null, OnnxEngineOptions? options = null, string? head = null)
    {
        options ??= OnnxEngineOptions.Default;
        options.Validate();
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return AtomicFolder.ReadWhole(folder, () => LoadOnce(folder, device, options, head));
    }

    private static OnnxTextClassifier LoadOnce(string folder, GptDevice? device, OnnxEngineOptions options, string? head)
    {
        OnnxPackage package = OnnxPackage.Open(folder);
        if (head is not null || package.Heads.Count > 0)
        {
            package.RequireHead(head, OnnxHeadKind.Classifier);
            using OnnxCausalModel trunk = OnnxCausalModel.Load(folder, device, options); // stays open until the head is disposed
            return trunk.OpenClassifier(head);
        }

        (GptConfig config, ClassifierHead own) = ClassifierConfigJson.Read(Path.Combine(package.Folder, OnnxPackageLayout.ConfigFile));
        return new(own, OnnxHeadSession.Load(package with { Config = config }, own.OutputCount, device, options, Remedy));
    }

    /// <inheritdoc/>
    /// <exception cref="InferenceFailedException">ONNX Runtime gave up.</exception>
    public void Run(ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, Span<float> outputs, CancellationToken cancellationToken = default)
    {
        using NativeLease lease = _lifetime.Acquire();
        ClassifierModelChecks.Validate(this, tokenIds, lengths, outputs);
        _head.Run(tokenIds, lengths, lengths.Length / Head.SequencesPerOutput, outputs, cancellationToken);
    }

    /// <inheritdoc/>
    /// <exception cref="CheckpointNotFoundException">The package's own folder is no longer there.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be written.</exception>
    public void WriteOnnxPackage(string folder, OnnxExportOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        _head.Package.CopyTo(folder, options);
        ((IOnnxPackaged)this).WriteAdapters(folder);
    }

    /// <summary>Releases the weights and the threads: at once, or when the last call has ended. May be called more than once.</summary>
    public void Dispose() => _lifetime.Dispose();
}
