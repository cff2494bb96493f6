namespace MLNet.Gpt;

/// <summary>A reward model that ONNX Runtime computes: a package of this library's exporter.</summary>
/// <remarks>Several threads may call <see cref="Run"/> at once. The package's files are not read again after loading, except by <see cref="WriteOnnxPackage"/>.</remarks>
public sealed class OnnxRewardModel : IRewardModel, IOnnxExportable, IOnnxPackaged
{
    private const string Remedy = "Export the model again with GptRewardModel.ExportOnnx, or copy the whole package again.";

    private readonly OnnxHeadSession _session;
    private readonly NativeLifetime _lifetime;

    private OnnxRewardModel(RewardHead head, OnnxHeadSession session)
    {
        _session = session;
        _lifetime = new NativeLifetime(this, session.Dispose);
        Head = head;
    }

    OnnxPackage IOnnxPackaged.Package => _session.Package;

    /// <inheritdoc/>
    public GptConfig Config => _session.Package.Config;

    /// <inheritdoc/>
    public RewardHead Head { get; }

    /// <inheritdoc/>
    public GptDevice Device => _session.Device;

    /// <summary>The hash of the tokenizer that the model was trained with; null where the package does not tell.</summary>
    public string? TokenizerHash => _session.TokenizerHash;

    /// <summary>Loads a package and checks that its graph is a reward model.</summary>
    /// <param name="folder">A folder with <c>model.onnx</c> and <c>config.json</c>.</param>
    /// <param name="device">Where to compute; null (the default) takes the first CUDA GPU if ONNX Runtime can use one, else the CPU.</param>
    /// <param name="options">Threads and precision; null for the defaults.</param>
    /// <returns>The model, which the caller disposes.</returns>
    /// <exception cref="CheckpointNotFoundException">The folder, its model.onnx or its config.json is missing.</exception>
    /// <exception cref="CorruptFileException">A file is not what its format says, points outside the folder, is no reward model's, or does not fit the other.</exception>
    /// <exception cref="UnsupportedModelException">The package asks for a computation that this library does not perform.</exception>
    /// <exception cref="DeviceUnavailableException">A CUDA GPU is asked for that ONNX Runtime can't use.</exception>
    /// <exception cref="NativeLibraryException">ONNX Runtime's native library can't be loaded.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its range.</exception>
    public static OnnxRewardModel Load(string folder, GptDevice? device = null, OnnxEngineOptions? options = null)
    {
        options ??= new OnnxEngineOptions();
        options.Validate();
        OnnxPackage package = OnnxPackage.Open(folder);
        (GptConfig config, RewardHead head) = RewardConfigJson.Read(Path.Combine(package.Folder, OnnxPackageLayout.ConfigFile));
        return new(head, OnnxHeadSession.Load(package with { Config = config }, outputCount: 1, device, options, Remedy));
    }

    /// <inheritdoc/>
    /// <exception cref="InferenceFailedException">ONNX Runtime gave up.</exception>
    public void Run(ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, Span<float> rewards, CancellationToken cancellationToken = default)
    {
        using NativeLease lease = _lifetime.Acquire();
        RewardModelChecks.Validate(this, tokenIds, lengths, rewards);
        _session.Run(tokenIds, lengths, lengths.Length, rewards, cancellationToken);
    }

    /// <inheritdoc/>
    /// <exception cref="CheckpointNotFoundException">The package's own folder is no longer there.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be written.</exception>
    public void WriteOnnxPackage(string folder, OnnxExportOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        _session.Package.CopyTo(folder, options);
    }

    /// <summary>Releases the weights and the threads: at once, or when the last call has ended. May be called more than once.</summary>
    public void Dispose() => _lifetime.Dispose();
}
