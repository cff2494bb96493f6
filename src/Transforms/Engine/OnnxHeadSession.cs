using System.Globalization;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MLNet.Gpt;

/// <summary>A package of a GPT with a head and nothing else, loaded.</summary>
internal sealed class OnnxHeadSession : IOnnxHead
{
    private static readonly string[] Inputs = [OnnxPackageLayout.InputIds, OnnxPackageLayout.AttentionMask], Outputs = [OnnxPackageLayout.Logits];

    private readonly InferenceSession _session;
    private readonly OnnxEngineOptions _options;

    private OnnxHeadSession(OnnxPackage package, InferenceSession session, GptDevice device, OnnxEngineOptions options)
    {
        Package = package;
        (_session, _options) = (session, options);
        Device = device;
        TokenizerHash = session.ModelMetadata.CustomMetadataMap.GetValueOrDefault(OnnxPackageLayout.TokenizerHashKey);
    }

    public OnnxPackage Package { get; }

    public GptDevice Device { get; }

    public string? TokenizerHash { get; }

    /// <summary>Loads a package.</summary>
    /// <param name="package">The package, with the configuration that its own config.json has.</param>
    /// <param name="outputCount">K: the outputs of the head.</param>
    /// <param name="device">Where to compute; null for a CUDA GPU where there is one, else the CPU.</param>
    /// <param name="options">Valid options.</param>
    /// <param name="remedy">What to do about a package that does not fit.</param>
    /// <exception cref="CorruptFileException">The graph is not a GPT with such a head.</exception>
    public static OnnxHeadSession Load(OnnxPackage package, int outputCount, GptDevice? device, OnnxEngineOptions options, string remedy)
    {
        (InferenceSession session, GptDevice chosen) = OrtRuntime.Open(package.ModelPath, device, options);
        try
        {
            Require(session, package, outputCount, remedy);
            return new(package, session, chosen, options);
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    public unsafe void Run(ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> lengths, int outputRows, Span<float> outputs, CancellationToken cancellationToken)
    {
        int rows = lengths.Length, t = tokenIds.Length / rows;
        long[] ids = new long[tokenIds.Length], mask = new long[tokenIds.Length];
        for (int i = 0; i < ids.Length; i++) ids[i] = tokenIds[i];
        for (int row = 0; row < rows; row++) mask.AsSpan(row * t, lengths[row]).Fill(1);
        using RunOptions runOptions = OrtRuntime.CallOptions(OrtRuntime.GivesMemoryBack(Device, _options, tokenIds.Length)); // of this call alone, which may be ended
        fixed (float* address = outputs)
        {
            using OrtValue idsValue = OrtValue.CreateTensorValueFromMemory(ids, [rows, t]), maskValue = OrtValue.CreateTensorValueFromMemory(mask, [rows, t]);
            using OrtValue logits = OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, TensorElementType.Float,
                [outputRows, outputs.Length / outputRows], (IntPtr)address, (long)outputs.Length * sizeof(float));
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

    public void Dispose() => _session.Dispose();

    private static void Require(InferenceSession session, OnnxPackage package, int outputCount, string remedy)
    {
        Dictionary<string, string> metadata = session.ModelMetadata.CustomMetadataMap;
        string version = OnnxPackageLayout.FormatVersion.ToString(CultureInfo.InvariantCulture);
        if (metadata.TryGetValue(OnnxPackageLayout.FormatVersionKey, out string? found) && found != version)
            throw Corrupt($"the package has version '{found}'; this library reads version {version}.");
        if (!session.InputMetadata.Keys.ToHashSet(StringComparer.Ordinal).SetEquals(Inputs))
            throw Corrupt($"its inputs are {string.Join(", ", session.InputMetadata.Keys.Order(StringComparer.Ordinal))}; a model with a task head has {string.Join(", ", Inputs)}.");
        foreach (string input in Inputs) Check(session.InputMetadata[input], input, TensorElementType.Int64, -1);
        if (!session.OutputMetadata.TryGetValue(OnnxPackageLayout.Logits, out NodeMetadata? logits)) throw Corrupt($"it has no output '{OnnxPackageLayout.Logits}'.");
        Check(logits, OnnxPackageLayout.Logits, TensorElementType.Float, outputCount);

        void Check(NodeMetadata value, string name, TensorElementType type, int columns)
        {
            if (!value.IsTensor || value.ElementDataType != type || value.Dimensions.Length != 2 || value.Dimensions[0] >= 0 || value.Dimensions[1] != columns)
                throw Corrupt($"its '{name}' is {value.ElementDataType} ({string.Join(", ", value.Dimensions)}); config.json says {type} (-1, {columns}).");
        }

        CorruptFileException Corrupt(string problem) => new(package.ModelPath, problem, remedy);
    }
}
