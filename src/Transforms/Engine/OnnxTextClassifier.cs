using System.Globalization;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MLNet.Gpt;

/// <summary>A GPT with a task head that ONNX Runtime computes: a package of this library's exporter.</summary>
/// <remarks>Several threads may call <see cref="Run"/> at once. The package's files are not read again after loading, except by <see cref="WriteOnnxPackage"/>.</remarks>
public sealed class OnnxTextClassifier : ITextClassifierModel, IOnnxExportable
{
    private const string Remedy = "Export the model again with GptClassifier.ExportOnnx, or copy the whole package again.";
    private static readonly string[] Inputs = [OnnxPackageLayout.InputIds, OnnxPackageLayout.AttentionMask], Outputs = [OnnxPackageLayout.Logits];

    private readonly OnnxPackage _package;
    private readonly InferenceSession _session;
    private readonly NativeLifetime _lifetime;

    private OnnxTextClassifier(OnnxPackage package, ClassifierHead head, InferenceSession session, GptDevice device)
    {
        _package = package;
        _lifetime = new NativeLifetime(this, session.Dispose);
        _session = session;
        Head = head;
        Device = device;
        TokenizerHash = session.ModelMetadata.CustomMetadataMap.GetValueOrDefault(OnnxPackageLayout.TokenizerHashKey);
    }

    /// <inheritdoc/>
    public GptConfig Config => _package.Config;

    /// <inheritdoc/>
    public ClassifierHead Head { get; }

    /// <inheritdoc/>
    public GptDevice Device { get; }

    /// <summary>The hash of the tokenizer that the model was trained with; null where the package does not tell.</summary>
    public string? TokenizerHash { get; }

    /// <summary>Loads a package and checks that its graph is a GPT with the head that its config.json says.</summary>
    /// <param name="folder">A folder with <c>model.onnx</c> and <c>config.json</c>.</param>
    /// <param name="device">Where to compute; null (the default) takes the first CUDA GPU if ONNX Runtime can use one, else the CPU.</param>
    /// <param name="options">Threads and precision; null for the defaults.</param>
    /// <returns>The model, which the caller disposes.</returns>
    /// <exception cref="CheckpointNotFoundException">The folder, its model.onnx or its config.json is missing.</exception>
    /// <exception cref="CorruptFileException">A file is not what its format says, points outside the folder, has no task head, or does not fit the other.</exception>
    /// <exception cref="UnsupportedModelException">The package asks for a computation that this library does not perform.</exception>
    /// <exception cref="DeviceUnavailableException">A CUDA GPU is asked for that ONNX Runtime can't use.</exception>
    /// <exception cref="NativeLibraryException">ONNX Runtime's native library can't be loaded.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its range.</exception>
    public static OnnxTextClassifier Load(string folder, GptDevice? device = null, OnnxEngineOptions? options = null)
    {
        options ??= new OnnxEngineOptions();
        options.Validate();
        OnnxPackage package = OnnxPackage.Open(folder);
        (GptConfig config, ClassifierHead head) = ClassifierConfigJson.Read(Path.Combine(package.Folder, OnnxPackageLayout.ConfigFile));
        package = package with { Config = config };
        (InferenceSession session, GptDevice chosen) = OrtRuntime.Open(package.ModelPath, device, options);
        try
        {
            Require(session, package, head);
            return new OnnxTextClassifier(package, head, session, chosen);
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="InferenceFailedException">ONNX Runtime gave up.</exception>
    public unsafe void Run(ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, Span<float> outputs, CancellationToken cancellationToken = default)
    {
        using NativeLease lease = _lifetime.Acquire();
        int t = ClassifierModelChecks.Validate(this, tokenIds, lengths, outputs), rows = lengths.Length;
        long[] ids = new long[tokenIds.Length], mask = new long[tokenIds.Length];
        for (int i = 0; i < ids.Length; i++) ids[i] = tokenIds[i];
        for (int row = 0; row < rows; row++) mask.AsSpan(row * t, lengths[row]).Fill(1);
        using var runOptions = new RunOptions(); // of this call alone, which may be ended
        fixed (float* address = outputs)
        {
            using OrtValue idsValue = OrtValue.CreateTensorValueFromMemory(ids, [rows, t]), maskValue = OrtValue.CreateTensorValueFromMemory(mask, [rows, t]);
            using OrtValue logits = OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, TensorElementType.Float,
                [rows / Head.SequencesPerOutput, Head.OutputCount], (IntPtr)address, (long)outputs.Length * sizeof(float));
            try
            {
                using OrtInterrupt interrupt = OrtInterrupt.Watch(runOptions, cancellationToken);
                _session.Run(runOptions, Inputs, [idsValue, maskValue], Outputs, [logits]);
            }
            catch (OnnxRuntimeException exception)
            {
                if (cancellationToken.IsCancellationRequested) throw new OperationCanceledException(exception.Message, exception, cancellationToken);
                throw new InferenceFailedException(Device, string.Create(CultureInfo.InvariantCulture, $"{rows} rows of {t} tokens"), exception);
            }
        }
    }

    /// <inheritdoc/>
    /// <exception cref="CheckpointNotFoundException">The package's own folder is no longer there.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be written.</exception>
    public void WriteOnnxPackage(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        _package.CopyTo(folder);
    }

    /// <summary>Releases the weights and the threads: at once, or when the last call has ended. May be called more than once.</summary>
    public void Dispose() => _lifetime.Dispose();

    private static void Require(InferenceSession session, OnnxPackage package, ClassifierHead head)
    {
        Dictionary<string, string> metadata = session.ModelMetadata.CustomMetadataMap;
        string version = OnnxPackageLayout.FormatVersion.ToString(CultureInfo.InvariantCulture);
        if (metadata.TryGetValue(OnnxPackageLayout.FormatVersionKey, out string? found) && found != version)
            throw Corrupt($"the package has version '{found}'; this library reads version {version}.");
        if (!session.InputMetadata.Keys.Order().SequenceEqual(Inputs.Order()))
            throw Corrupt($"its inputs are {string.Join(", ", session.InputMetadata.Keys.Order())}; a model with a task head has {string.Join(", ", Inputs)}.");
        foreach (string input in Inputs) Check(session.InputMetadata[input], input, TensorElementType.Int64, -1);
        if (!session.OutputMetadata.TryGetValue(OnnxPackageLayout.Logits, out NodeMetadata? logits)) throw Corrupt($"it has no output '{OnnxPackageLayout.Logits}'.");
        Check(logits, OnnxPackageLayout.Logits, TensorElementType.Float, head.OutputCount);

        void Check(NodeMetadata value, string name, TensorElementType type, int columns)
        {
            if (!value.IsTensor || value.ElementDataType != type || value.Dimensions.Length != 2 || value.Dimensions[0] >= 0 || value.Dimensions[1] != columns)
                throw Corrupt($"its '{name}' is {value.ElementDataType} ({string.Join(", ", value.Dimensions)}); config.json says {type} (-1, {columns}).");
        }

        CorruptFileException Corrupt(string problem) => new(package.ModelPath, problem, Remedy);
    }
}
