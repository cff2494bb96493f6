using System.Security.Cryptography;

namespace MLNet.Gpt;

/// <summary>An ONNX package on disk, checked as far as that goes without ONNX Runtime.</summary>
/// <param name="Folder">Its full path.</param>
/// <param name="Config">The model's shape, from config.json.</param>
/// <param name="DataFiles">The files with weights beside the graph, relative to the folder.</param>
/// <param name="Heads">The heads over the language model's trunk, from config.json.</param>
internal sealed record OnnxPackage(string Folder, GptConfig Config, IReadOnlyList<string> DataFiles, IReadOnlyList<PackageHead> Heads)
{
    private const string Remedy = "Export the model again, or copy the whole package again.";

    /// <summary>The token embedding, float32 and beside the graph; null where it is not.</summary>
    public OnnxExternalTensor? TokenTable { get; init; }

    /// <summary>The graph's file.</summary>
    public string ModelPath => Path.Combine(Folder, OnnxPackageLayout.ModelFile);

    /// <summary>The heads' kinds, by their names.</summary>
    public IReadOnlyDictionary<string, OnnxHeadKind> HeadKinds => Heads.ToDictionary(static head => head.Name, static head => head.Kind, StringComparer.Ordinal);

    /// <summary>Opens a package.</summary>
    /// <param name="folder">Its folder.</param>
    /// <exception cref="CheckpointNotFoundException">The folder, its model.onnx or its config.json is missing.</exception>
    /// <exception cref="CorruptFileException">A file is not what its format says, or points outside the folder.</exception>
    /// <exception cref="UnsupportedModelException">config.json asks for a computation that this library does not perform.</exception>
    public static OnnxPackage Open(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        string path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (!Directory.Exists(path)) throw new CheckpointNotFoundException(path, File.Exists(path) ? "it is a file." : "there is no such folder.", FolderRemedy.ForPackage(path));
        foreach (string name in (ReadOnlySpan<string>)[OnnxPackageLayout.ModelFile, OnnxPackageLayout.ConfigFile])
        {
            if (!File.Exists(Path.Combine(path, name))) throw new CheckpointNotFoundException(path, $"it has no {name}.", FolderRemedy.ForPackage(path));
        }

        string configPath = Path.Combine(path, OnnxPackageLayout.ConfigFile), model = Path.Combine(path, OnnxPackageLayout.ModelFile);
        GptConfig config = GptConfigJson.Read(configPath);
        (IReadOnlyList<OnnxExternalTensor> external, _, string weights) = OnnxFileScan.Scan(model);
        return new OnnxPackage(path, config, CheckDataFiles(model, path, external), PackageHeadsJson.Read(configPath, config))
        {
            TokenTable = weights != nameof(WeightFormat.Float32) ? null
                : external.FirstOrDefault(tensor => tensor.Name == GptParameterLayout.TokenEmbedding && tensor.Length == (long)config.VocabularySize * config.EmbeddingSize * sizeof(float)),
        };
    }

    /// <summary>A head by its name and kind; null for any kind.</summary>
    /// <exception cref="UnknownHeadException">There is none.</exception>
    public PackageHead RequireHead(string? name, OnnxHeadKind? kind) =>
        Heads.FirstOrDefault(head => head.Name == name && (kind is null || head.Kind == kind)) ?? throw new UnknownHeadException(Folder, name, kind, HeadKinds);

    /// <summary>Copies graph, weights and configuration; not the tokenizer.</summary>
    /// <param name="target">The folder.</param>
    /// <param name="options">Null: a package is copied as it is.</param>
    /// <exception cref="CheckpointNotFoundException">A file of this package is no longer there.</exception>
    /// <exception cref="FolderNotWritableException">The folder can't be written.</exception>
    /// <exception cref="DiskFullException">There is no room.</exception>
    /// <exception cref="OnnxExportUnavailableException">Options are given, or the weights lie in a file that a package does not have.</exception>
    public void CopyTo(string target, OnnxExportOptions? options)
    {
        if (options is not null)
        {
            throw new OnnxExportUnavailableException(typeof(OnnxPackage),
                $"The model is the ONNX package '{Folder}' already, and can't be written in another form; export it from its checkpoint (OnnxExporter) or from the trained model, or leave the options out to copy it as it is.");
        }

        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(target));
        if (string.Equals(full, Folder, OperatingSystem.IsWindows() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal)) return;
        foreach (string source in FilesToCopy())
        {
            using FileStream file = File.OpenRead(source);
            AtomicFile.Write(Path.Combine(full, Path.GetRelativePath(Folder, source)), file.CopyTo, file.Length);
        }
    }

    /// <summary>The paths of graph, weights and configuration, which are written elsewhere under their own names; the graph comes last.</summary>
    /// <exception cref="CheckpointNotFoundException">A file of this package is no longer there.</exception>
    /// <exception cref="OnnxExportUnavailableException">The weights lie in a file that a package does not have: the graph names it, so that it can't be called otherwise.</exception>
    public IReadOnlyList<string> FilesToCopy()
    {
        if (DataFiles.FirstOrDefault(static name => name is not (OnnxPackageLayout.DataFile or OnnxPackageLayout.OptimumDataFile)) is { } other)
        {
            throw new OnnxExportUnavailableException(typeof(OnnxPackage),
                $"Weights of the ONNX package '{Folder}' lie in '{other}', and a package that is written or saved has them in {OnnxPackageLayout.DataFile} or {OnnxPackageLayout.OptimumDataFile}; write it again with all of them in one file of that name (onnx.save_model's location).");
        }

        return Files();
    }

    private List<string> Files()
    {
        var paths = new List<string>();
        foreach (string name in (IEnumerable<string>)[OnnxPackageLayout.ConfigFile, OnnxPackageLayout.GenAiConfigFile, .. DataFiles, OnnxPackageLayout.ModelFile])
        {
            string path = Path.Combine(Folder, name);
            if (File.Exists(path)) paths.Add(path);
            else if (name != OnnxPackageLayout.GenAiConfigFile)
                throw new CheckpointNotFoundException(Folder, $"its {name} is no longer there.", "Keep the package's folder until the model has been written elsewhere.");
        }

        return paths;
    }

    /// <summary>SHA-256 of the graph and the weights beside it: what is computed.</summary>
    /// <exception cref="CheckpointNotFoundException">A file of this package is no longer there.</exception>
    public byte[] ComputeFingerprint()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string path in Files().Where(path => Path.GetRelativePath(Folder, path) is not (OnnxPackageLayout.ConfigFile or OnnxPackageLayout.GenAiConfigFile)))
        {
            using FileStream file = File.OpenRead(path);
            hash.AppendData(SHA256.HashData(file));
        }

        return hash.GetHashAndReset();
    }

    private static string[] CheckDataFiles(string model, string folder, IReadOnlyList<OnnxExternalTensor> tensors)
    {
        var lengths = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (OnnxExternalTensor tensor in tensors)
        {
            if (!lengths.TryGetValue(tensor.Location, out long length)) lengths.Add(tensor.Location, length = LengthOf(model, folder, tensor));
            if (tensor.Offset > length || tensor.Length > length - tensor.Offset)
            {
                throw new CorruptFileException(Path.Combine(folder, tensor.Location),
                    $"tensor '{tensor.Name}' takes {tensor.Length} bytes at {tensor.Offset}, but the file has {length}; it is cut off.", Remedy);
            }
        }

        return [.. lengths.Keys];
    }

    private static long LengthOf(string model, string folder, OnnxExternalTensor tensor)
    {
        string inside = Path.EndsInDirectorySeparator(folder) ? folder : folder + Path.DirectorySeparatorChar;
        bool isName = tensor.Location.Length > 0 && !tensor.Location.Contains('\0') && !Path.IsPathRooted(tensor.Location);
        string place = isName ? Path.GetFullPath(Path.Combine(folder, tensor.Location)) : "";
        if (!place.StartsWith(inside, StringComparison.Ordinal))
        {
            throw new CorruptFileException(model, $"tensor '{tensor.Name}' lies in '{tensor.Location}', which is outside the package's folder.",
                "Use a package from a source that you trust, or move the weights into its folder and export again.");
        }

        var file = new FileInfo(SiblingPath.Resolve(place)); // model caches keep files elsewhere and link to them; a link's own length is its name's
        return file.Exists ? file.Length : throw new CorruptFileException(model, $"tensor '{tensor.Name}' lies in '{tensor.Location}', which isn't there.", Remedy);
    }
}
