using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MLNet.Gpt;

/// <summary>The adapters that a model has loaded, and the inputs of its graph that take them. Thread-safe.</summary>
internal sealed class OnnxAdapters
{
    private readonly OnnxPackage _package;
    private readonly Lock _gate = new();
    private Dictionary<string, OnnxAdapter> _loaded = new(StringComparer.OrdinalIgnoreCase);   // never changed: replaced

    public OnnxAdapters(OnnxPackage package, LoraProjections projections, TensorElementType type)
    {
        (_package, Projections, Type) = (package, projections, type);
        Inputs = [.. InputsOf(package.Config, projections)];
    }

    /// <summary>The base's shape.</summary>
    public GptConfig Config => _package.Config;

    /// <summary>The projections that the graph offers.</summary>
    public LoraProjections Projections { get; }

    /// <summary>The graph's numbers.</summary>
    public TensorElementType Type { get; }

    /// <summary>The inputs that take matrices, with the numbers in a row of each; the scales' input is none of them.</summary>
    public IReadOnlyList<(string Name, int Width)> Inputs { get; }

    /// <summary>Those that are loaded.</summary>
    public IReadOnlyCollection<OnnxAdapter> Loaded => Volatile.Read(ref _loaded).Values;

    /// <summary>Loads one, see <see cref="IAdaptableModel.LoadAdapter"/>.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="folder">Its folder.</param>
    /// <param name="filePrefix">What the names of its files begin with.</param>
    public OnnxAdapter Load(string name, string folder, string filePrefix = "")
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        ArgumentNullException.ThrowIfNull(name);
        if (!OnnxPackageLayout.IsPlainName(name)) throw new ArgumentException($"'{name}' is no adapter's name; use 1 to 64 letters, digits, '-' or '_'.", nameof(name));
        if (Projections == LoraProjections.None)
        {
            throw new UnsupportedOptionException("adapter", name,
                $"The package '{_package.Folder}' takes no adapters; export it again with {nameof(OnnxExportOptions)}.{nameof(OnnxExportOptions.AdaptableProjections)}, or merge the adapter into its base.");
        }

        RequireFree(name);
        using LoraCheckpoint checkpoint = LoraCheckpoint.Open(folder, _package.Config, filePrefix);
        if ((checkpoint.Options.Projections & ~Projections) is var missing and not LoraProjections.None)
        {
            throw new UnsupportedAdapterException(Path.Combine(checkpoint.Folder, filePrefix + LoraCheckpoint.ConfigFile), "target_modules", Names(missing), $"what the package offers, {Names(Projections)}",
                $"Export the package again with these in {nameof(OnnxExportOptions)}.{nameof(OnnxExportOptions.AdaptableProjections)}.");
        }

        OnnxAdapter adapter = OnnxAdapter.Read(name, checkpoint, this);
        lock (_gate)
        {
            RequireFree(name);
            _loaded = new(_loaded, StringComparer.OrdinalIgnoreCase) { [name] = adapter };
        }

        return adapter;
    }

    /// <summary>Loads those that lie in the package.</summary>
    public void LoadAll()
    {
        foreach (string path in Directory.EnumerateFiles(_package.Folder).Order(StringComparer.Ordinal))
        {
            if (OnnxPackageLayout.AdapterOf(Path.GetFileName(path)) is { } name && path.EndsWith(LoraCheckpoint.ConfigFile, StringComparison.Ordinal)) Load(name, _package.Folder, OnnxPackageLayout.AdapterPrefix(name));
        }
    }

    /// <summary>Forgets one.</summary>
    public bool Unload(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        lock (_gate)
        {
            var rest = new Dictionary<string, OnnxAdapter>(_loaded, StringComparer.OrdinalIgnoreCase);
            if (!rest.Remove(name)) return false;
            _loaded = rest;
            return true;
        }
    }

    /// <summary>The projections that a graph's metadata name.</summary>
    /// <exception cref="CorruptFileException">It is no list of projections, or the graph has no such inputs.</exception>
    public static LoraProjections ProjectionsOf(InferenceSession session, OnnxPackage package, TensorElementType type)
    {
        LoraProjections projections = LoraProjections.None;
        if (!session.ModelMetadata.CustomMetadataMap.TryGetValue(OnnxPackageLayout.AdaptersKey, out string? text)) return projections;
        foreach (string name in text.Split(','))
        {
            LoraProjections known = LoraLayout.Modules.FirstOrDefault(module => module.Module == name).Projection;
            projections |= known != LoraProjections.None ? known : throw Corrupt($"its metadata offer the projection '{name}' to adapters, which is none of a block's.");
        }

        foreach ((string name, int width) in InputsOf(package.Config, projections).Append((OnnxPackageLayout.AdapterScales, 0)))
        {
            if (!session.OverridableInitializerMetadata.TryGetValue(name, out NodeMetadata? found) || found.ElementDataType != type || (width > 0 && (found.Dimensions.Length != 2 || found.Dimensions[1] != width)))
                throw Corrupt($"its metadata offer projections to adapters, and its input '{name}' is {(found is null ? "missing" : $"{found.ElementDataType} ({string.Join(", ", found.Dimensions)})")}.");
        }

        return projections;

        CorruptFileException Corrupt(string problem) => new(package.ModelPath, problem, "Export the model again with OnnxExporter.");
    }

    private void RequireFree(string name)
    {
        if (Volatile.Read(ref _loaded).TryGetValue(name, out OnnxAdapter? taken))
            throw new ArgumentException($"There is an adapter '{taken.Name}' already; unload it first, or choose another name.", nameof(name));
    }

    private static IEnumerable<(string Name, int Width)> InputsOf(GptConfig config, LoraProjections projections)
    {
        for (int layer = 0; layer < config.LayerCount; layer++)
        {
            foreach ((LoraProjections projection, string module) in LoraLayout.Modules)
            {
                if (!projections.HasFlag(projection)) continue;
                (long input, long output) = LoraLayout.SizesOf(config, projection);
                yield return (OnnxPackageLayout.AdapterIn(layer, module), (int)input);
                yield return (OnnxPackageLayout.AdapterOut(layer, module), (int)output);
            }
        }
    }

    private static string Names(LoraProjections projections) => string.Join(", ", LoraLayout.Modules.Where(module => projections.HasFlag(module.Projection)).Select(static module => module.Module));
}
