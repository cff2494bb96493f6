using System.Runtime.InteropServices;
using System.Text.Json;

namespace MLNet.Gpt;

/// <summary>The safetensors files of a checkpoint folder, one or several, and where each parameter lies in them.</summary>
internal sealed class CheckpointTensors : IDisposable
{
    private readonly string _folder;
    private readonly List<SafeTensorsFile> _files = [];
    private readonly Dictionary<string, SafeTensorsFile> _stored = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (SafeTensorsFile File, SafeTensorInfo Info)> _parameters = new(StringComparer.Ordinal);

    private CheckpointTensors(string folder) => _folder = folder;

    /// <summary>Opens the files and finds every parameter; refuses tensors that the model has no use for.</summary>
    /// <exception cref="CheckpointNotFoundException">The folder has no safetensors weights.</exception>
    /// <exception cref="CorruptFileException">A file breaks the rules of its format.</exception>
    /// <exception cref="TensorMismatchException">A tensor is missing, misshaped, of another type, or unknown.</exception>
    /// <exception cref="UnsupportedModelException">The output head is not the token embedding.</exception>
    public static CheckpointTensors Open(string folder, GptConfig config)
    {
        var tensors = new CheckpointTensors(folder);
        try
        {
            tensors.OpenFiles();
            tensors.FindParameters(config);
            return tensors;
        }
        catch
        {
            tensors.Dispose();
            throw;
        }
    }

    public void Read(string parameter, Span<float> destination)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        if (!_parameters.TryGetValue(parameter, out var place)) throw new ArgumentException($"A model of this configuration has no parameter '{parameter}'.", nameof(parameter));
        if (destination.Length != place.Info.ElementCount)
            throw new ArgumentException($"Parameter '{parameter}' has {place.Info.ElementCount} elements; the destination has {destination.Length}.", nameof(destination));
        place.File.Read(place.Info.Name, destination);
    }

    public void Dispose()
    {
        foreach (SafeTensorsFile file in _files) file.Dispose();
    }

    private void OpenFiles()
    {
        string single = Path.Combine(_folder, CheckpointNames.Weights), index = Path.Combine(_folder, CheckpointNames.WeightsIndex);
        if (File.Exists(single))
        {
            SafeTensorsFile file = OpenFile(single);
            foreach (SafeTensorInfo tensor in file.Tensors) _stored.Add(tensor.Name, file);
        }
        else if (File.Exists(index))
        {
            OpenShards(index);
        }
        else
        {
            bool pickled = File.Exists(Path.Combine(_folder, CheckpointNames.PickledWeights));
            throw new CheckpointNotFoundException(_folder,
                pickled ? $"its weights are in {CheckpointNames.PickledWeights}, a pickle, which can run code and isn't read." : $"it has neither {CheckpointNames.Weights} nor {CheckpointNames.WeightsIndex}.",
                pickled ? "Save the model with transformers' save_pretrained(folder, safe_serialization=True)." : FolderRemedy.ForCheckpoint(_folder));
        }
    }

    private void OpenShards(string indexPath)
    {
        using CheckpointJson json = CheckpointJson.Read(indexPath);
        if (json.Find("weight_map") is not { ValueKind: JsonValueKind.Object } map) throw json.Wrong("weight_map", json.Find("weight_map"), "an object of tensor names and file names");
        if (!map.EnumerateObject().Any()) throw json.Wrong("weight_map", map, "an object with the file name of each tensor, and not empty");
        var shards = new Dictionary<string, SafeTensorsFile>(StringComparer.Ordinal);
        foreach (JsonProperty entry in map.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.String) throw json.Wrong(entry.Name, entry.Value, "a file name");
            string name = entry.Value.GetString()!;
            if (!shards.TryGetValue(name, out SafeTensorsFile? shard))
            {
                // Only a plain name: no path may lead out of the folder.
                if (name.Length == 0 || name.AsSpan().ContainsAny("/\\:\0") || !name.EndsWith(".safetensors", StringComparison.Ordinal))
                    throw json.Wrong(entry.Name, entry.Value, "the plain name of a .safetensors file in the same folder");
                string path = Path.Combine(_folder, name);
                if (!File.Exists(path)) throw new CheckpointNotFoundException(_folder, $"{CheckpointNames.WeightsIndex} names '{name}', which is missing.", "Fetch the missing file.");
                shards.Add(name, shard = OpenFile(path));
            }

            if (shard.Find(entry.Name) is null) throw new CorruptFileException(indexPath, $"it says that '{name}' holds tensor '{entry.Name}', which that file doesn't.", CheckpointJson.Remedy);
            _stored.Add(entry.Name, shard);
        }

        foreach ((string name, SafeTensorsFile shard) in shards)
        {
            if (shard.Tensors.FirstOrDefault(tensor => _stored.GetValueOrDefault(tensor.Name) != shard) is { } extra)
                throw new CorruptFileException(indexPath, $"it doesn't place tensor '{extra.Name}' in '{name}', which holds it.", CheckpointJson.Remedy);
        }
    }

    private SafeTensorsFile OpenFile(string path)
    {
        SafeTensorsFile file = SafeTensorsFile.Open(path);
        _files.Add(file);
        return file;
    }

    private void FindParameters(GptConfig config)
    {
        // A layer has several tensors: a number of layers that the files can't hold is not spelt out parameter by parameter.
        if (config.LayerCount > _stored.Count)
            throw new TensorMismatchException(_files[0].Path, "transformer.h", $"the tensors of {config.LayerCount} layers", $"{_stored.Count} tensors in all", "The file doesn't belong to this config.json; fetch both from the same place.");
        var unused = new HashSet<string>(_stored.Keys, StringComparer.Ordinal);
        foreach (GptParameterInfo parameter in GptParameterLayout.Of(config))
        {
            string name = CheckpointNames.Of(parameter.Name, config.BlockForm), prefixed = CheckpointNames.Prefix + name;
            if (_stored.ContainsKey(name) && _stored.ContainsKey(prefixed))
                throw new CorruptFileException(_stored[name].Path, $"it holds both '{name}' and '{prefixed}'.", CheckpointJson.Remedy);
            string? found = _stored.ContainsKey(prefixed) ? prefixed : _stored.ContainsKey(name) ? name : null;

            // safetensors keeps one name of a shared tensor, and that may be the head's.
            if (found is null && parameter.Name == GptParameterLayout.TokenEmbedding && _stored.ContainsKey(CheckpointNames.OutputHead)) found = CheckpointNames.OutputHead;
            if (found is null)
                throw new TensorMismatchException(_files[0].Path, prefixed, parameter.ShapeText, "nothing", "The file doesn't belong to this config.json, or is another kind of model; fetch both from the same place.");
            SafeTensorsFile file = _stored[found];
            SafeTensorInfo info = file.Find(found)!;
            if (!info.Shape.SequenceEqual(parameter.Shape) || !info.Type.IsReadableAsSingle())
                throw new TensorMismatchException(file.Path, found, parameter.ShapeText + " F32, F16, BF16 or F64", info.ToString(), "The file doesn't belong to this config.json; fetch both from the same place.");
            _parameters.Add(parameter.Name, (file, info));
            unused.Remove(found);
        }

        foreach (string name in unused.Order(StringComparer.Ordinal))
        {
            if (CheckpointNames.IsConstantBuffer(name, config.LayerCount)) continue;
            if (name == CheckpointNames.OutputHead) RequireTied(name);
            else throw new TensorMismatchException(_stored[name].Path, name, "no tensor of that name", _stored[name].Find(name)!.ToString(), "It is part of another kind of model (a classifier, say), whose results would be wrong without it.");
        }
    }

    /// <summary>An output head that was stored beside the token embedding must be equal to it, bit for bit.</summary>
    private void RequireTied(string name)
    {
        SafeTensorsFile headFile = _stored[name];
        SafeTensorInfo head = headFile.Find(name)!;
        (SafeTensorsFile file, SafeTensorInfo embedding) = _parameters[GptParameterLayout.TokenEmbedding];
        bool equal = head.Type == embedding.Type && head.Shape.SequenceEqual(embedding.Shape);
        const int Chunk = 1 << 20;
        for (long offset = 0; equal && offset < head.ByteLength; offset += Chunk)
        {
            int length = (int)Math.Min(Chunk, head.ByteLength - offset);
            equal = headFile.Bytes(name, offset, length).SequenceEqual(file.Bytes(embedding.Name, offset, length));
        }

        if (!equal) throw new UnsupportedModelException(headFile.Path, name, $"{head}, different from '{embedding.Name}' ({embedding})", "an output head that is the token embedding (tied)");
    }
}
