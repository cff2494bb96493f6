using System.Globalization;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MLNet.Gpt;

/// <summary>Checks that a loaded graph is a GPT with a key/value cache, of the shape that its configuration says.</summary>
internal static class OnnxModelChecks
{
    private const int Any = -1;

    private const string Remedy =
        "Export the model with OnnxExporter, or with Optimum for the task text-generation-with-past in float32 with position_ids and dynamic sizes.";

    /// <summary>Checks a graph.</summary>
    /// <param name="session">The loaded graph.</param>
    /// <param name="package">Where it comes from.</param>
    /// <exception cref="CorruptFileException">An input or output is missing, or has another type or shape; or the package is of another version.</exception>
    /// <exception cref="UnsupportedModelException">The model's own configuration asks for a computation that this library does not perform.</exception>
    public static void Require(InferenceSession session, OnnxPackage package)
    {
        string path = package.ModelPath;
        GptConfig config = package.Config;
        RequireMetadata(session.ModelMetadata.CustomMetadataMap, path, package);

        IReadOnlyDictionary<string, NodeMetadata> inputs = session.InputMetadata, outputs = session.OutputMetadata;
        var known = new HashSet<string>(StringComparer.Ordinal) { OnnxPackageLayout.LogitsToKeep };
        Input(OnnxPackageLayout.InputIds, TensorElementType.Int64, Any, Any);
        Input(OnnxPackageLayout.AttentionMask, TensorElementType.Int64, Any, Any);
        Input(OnnxPackageLayout.PositionIds, TensorElementType.Int64, Any, Any);
        Check(outputs, "output", OnnxPackageLayout.Logits, TensorElementType.Float, Any, Any, config.VocabularySize);
        (TensorElementType type, int heads) = CacheOf(inputs, config);
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            Input(OnnxPackageLayout.PastKey(layer), type, Any, heads, Any, config.HeadSize);
            Input(OnnxPackageLayout.PastValue(layer), type, Any, heads, Any, config.HeadSize);
            Check(outputs, "output", OnnxPackageLayout.PresentKey(layer), type, Any, heads, Any, config.HeadSize);
            Check(outputs, "output", OnnxPackageLayout.PresentValue(layer), type, Any, heads, Any, config.HeadSize);
        }

        if (outputs.ContainsKey(OnnxPackageLayout.LastHiddenState))
            Check(outputs, "output", OnnxPackageLayout.LastHiddenState, TensorElementType.Float, Any, Any, config.EmbeddingSize);

        foreach (PackageHead head in package.Heads)
            Check(outputs, "output", head.Output, TensorElementType.Float, Any, head.Kind == OnnxHeadKind.Value ? Any : head.OutputsOf(1, config));

        if (inputs.Keys.FirstOrDefault(name => !known.Contains(name)) is { } other)
            throw Corrupt($"it has an input '{other}', which a GPT of {config.LayerCount} layers (config.json) does not have.");

        void Input(string name, TensorElementType type, params ReadOnlySpan<int> shape)
        {
            known.Add(name);
            Check(inputs, "input", name, type, shape);
        }

        void Check(IReadOnlyDictionary<string, NodeMetadata> values, string kind, string name, TensorElementType type, params ReadOnlySpan<int> shape)
        {
            if (!values.TryGetValue(name, out NodeMetadata? found)) throw Corrupt($"it has no {kind} '{name}'.");
            if (!found.IsTensor || found.ElementDataType != type)
                throw Corrupt($"its {kind} '{name}' holds {(found.IsTensor ? found.ElementDataType : found.OnnxValueType)}; it must be a tensor of {type}.");
            int[] dimensions = found.Dimensions;
            bool fits = dimensions.Length == shape.Length;
            for (int i = 0; fits && i < shape.Length; i++)
            {
                // A size that varies must be open; one that the configuration fixes may be left open by the exporter.
                fits = dimensions[i] < 0 || dimensions[i] == shape[i];
            }

            if (!fits) throw Corrupt($"its {kind} '{name}' has the shape {Text(dimensions)}; config.json says {Text(shape)} (? varies).");
        }

        CorruptFileException Corrupt(string problem) => new(path, problem, Remedy);
    }

    /// <summary>The numbers and heads of the first layer's keys, which all others must have: half-width numbers and a divisor of the heads are possible; else what the configuration says.</summary>
    private static (TensorElementType Type, int Heads) CacheOf(IReadOnlyDictionary<string, NodeMetadata> inputs, GptConfig config)
    {
        if (!inputs.TryGetValue(OnnxPackageLayout.PastKey(0), out NodeMetadata? keys) || !keys.IsTensor) return (TensorElementType.Float, config.HeadCount);
        TensorElementType type = keys.ElementDataType is TensorElementType.Float16 or TensorElementType.BFloat16 ? keys.ElementDataType : TensorElementType.Float;
        int heads = keys.Dimensions.Length == 4 && keys.Dimensions[1] > 0 && config.HeadCount % keys.Dimensions[1] == 0 ? keys.Dimensions[1] : config.HeadCount;
        return (type, heads);
    }

    private static void RequireMetadata(Dictionary<string, string> metadata, string path, OnnxPackage package)
    {
        if (metadata.TryGetValue(OnnxPackageLayout.FormatVersionKey, out string? version)
            && version != OnnxPackageLayout.FormatVersion.ToString(CultureInfo.InvariantCulture))
        {
            throw new CorruptFileException(path, $"the package has version '{version}'; this library reads version {OnnxPackageLayout.FormatVersion}.",
                "Export the model again with this version of the library, or use the version that wrote it.");
        }

        if (metadata.TryGetValue(OnnxPackageLayout.ConfigKey, out string? json)
            && (GptConfigJson.Parse(json, path) != package.Config || !PackageHeadsJson.AreSame(json, File.ReadAllText(Path.Combine(package.Folder, OnnxPackageLayout.ConfigFile)), path)))
            throw new CorruptFileException(path, "its own configuration isn't that of the config.json beside it; the two belong to different models.", "Copy both files from one package.");
    }

    private static string Text(ReadOnlySpan<int> shape)
    {
        var sizes = new List<string>();
        foreach (int size in shape) sizes.Add(size < 0 ? "?" : size.ToString(CultureInfo.InvariantCulture));
        return $"({string.Join(", ", sizes)})";
    }
}
