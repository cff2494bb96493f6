using System.Text.Json;
using System.Text.Json.Serialization;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// The folder <c>training_state</c> of a checkpoint: <c>state.json</c> (position, counters, the options that the losses depend on)
/// and <c>state.safetensors</c> (the optimizer's moments; where the weights are averaged, those that training goes on with). Random generators have no entry: each step seeds them anew.
/// </summary>
internal sealed class TrainingCheckpoint
{
    private const int Version = 2;
    private const string FirstMoment = "first_moment.", SecondMoment = "second_moment.", Weights = "weights.";
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    private readonly string _folder;
    private readonly Content _content;

    private TrainingCheckpoint(string folder, Content content)
    {
        _folder = folder;
        _content = content;
    }

    /// <summary>The seed of the run.</summary>
    public long Seed => _content.Seed;

    /// <summary>The updates made.</summary>
    public int Step => _content.State.Step;

    /// <summary>The micro-batch sizes of the run, as its plan wrote them.</summary>
    public string? MicroBatchSizes => _content.Options.GetValueOrDefault(RunFingerprint.MicroBatchSize);

    private string TensorsPath => Path.Combine(_folder, "state.safetensors");

    /// <summary>Writes the training state into the temporary folder of a checkpoint.</summary>
    public static void Write(string checkpointFolder, GptNetwork network, AdamW optimizer, WeightAverage? average, TrainingState state, long seed, IReadOnlyDictionary<string, string> fingerprint)
    {
        string folder = Directory.CreateDirectory(Path.Combine(checkpointFolder, "training_state")).FullName;
        File.WriteAllText(Path.Combine(folder, "state.json"), JsonSerializer.Serialize(new Content(Version, seed, state, optimizer.StepCount, new(fingerprint.ToDictionary())), Json));

        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        List<SafeTensorInfo> tensors = [];
        foreach (GptParameterInfo info in network.Parameters.Layout)
        {
            tensors.Add(new(FirstMoment + info.Name, SafeTensorType.Float32, info.Shape));
            tensors.Add(new(SecondMoment + info.Name, SafeTensorType.Float32, info.Shape));
            if (average is not null) tensors.Add(new(Weights + info.Name, SafeTensorType.Float32, info.Shape));
        }

        SafeTensorsWriter.Write(Path.Combine(folder, "state.safetensors"), tensors, (tensor, stream) =>
        {
            using var tensorScope = NewDisposeScope();
            (string prefix, Tensor buffer) = BuffersOf(network, optimizer, averaged: true).Single(b => tensor.Name.StartsWith(b.Prefix, StringComparison.Ordinal));
            stream.Write(network.Parameters.ViewOf(buffer, tensor.Name[prefix.Length..]).cpu().contiguous().bytes);
        });
    }

    /// <summary>Opens the training state of a checkpoint.</summary>
    /// <exception cref="CorruptFileException">There is none, or it can't be read.</exception>
    public static TrainingCheckpoint Open(string checkpointFolder)
    {
        AtomicFolder.Recover(checkpointFolder);
        string folder = Path.Combine(checkpointFolder, "training_state");
        string path = Path.Combine(folder, "state.json");
        const string Remedy = "Begin a new run in another folder; the weights beside it can still be used.";
        if (!File.Exists(path)) throw new CorruptFileException(path, "the checkpoint has no training state to resume from.", Remedy);
        try
        {
            Content? content = JsonSerializer.Deserialize<Content>(File.ReadAllText(path), Json);
            if (content is not { Version: Version, State: not null, Options: not null })
                throw new CorruptFileException(path, $"it has version {content?.Version}, and this library reads version {Version}.", Remedy);
            return new(folder, content);
        }
        catch (JsonException e)
        {
            throw new CorruptFileException(path, $"it is not the JSON that it should be ({e.Message})", Remedy, e);
        }
    }

    /// <summary>Checks that the run to come has the same model, data and hyperparameters as the one that wrote this state.</summary>
    /// <exception cref="ResumeMismatchException">Something differs; the message names it.</exception>
    public void RequireSame(RunFolder run)
    {
        IReadOnlyDictionary<string, string> fingerprint = run.Fingerprint;
        var differences = new List<(string, string, string)>();
        foreach (string name in fingerprint.Keys.Union(_content.Options.Keys).Order(StringComparer.Ordinal))
        {
            string before = _content.Options.GetValueOrDefault(name, "absent"), now = fingerprint.GetValueOrDefault(name, "absent");
            if (before != now) differences.Add((name, before, now));
        }

        if (differences.Count > 0) throw new ResumeMismatchException(Path.GetDirectoryName(_folder)!, differences);
    }

    /// <summary>Checks that every tensor is there that a run of this shape needs.</summary>
    /// <exception cref="CorruptFileException">The file of the tensors is missing or breaks the rules of its format.</exception>
    /// <exception cref="TensorMismatchException">A tensor is missing or has another shape.</exception>
    public void RequireWhole(GptConfig config)
    {
        if (!File.Exists(TensorsPath)) throw new CorruptFileException(TensorsPath, "it is missing.", "Begin a new run in another folder; the weights beside it can still be used.");
        using SafeTensorsFile file = SafeTensorsFile.Open(TensorsPath);
        foreach (GptParameterInfo info in GptParameterLayout.Of(config))
        {
            Require(file, FirstMoment + info.Name, info.Shape);
            Require(file, SecondMoment + info.Name, info.Shape);
        }
    }

    /// <summary>Restores the optimizer's moments and its count; where the weights are averaged, the average from the network and then the network's weights.</summary>
    /// <returns>The counters of the run.</returns>
    /// <exception cref="TensorMismatchException">A tensor is missing or has another shape.</exception>
    public TrainingState Restore(AdamW optimizer, GptNetwork network, WeightAverage? average)
    {
        using var noGradient = no_grad();
        using SafeTensorsFile file = SafeTensorsFile.Open(TensorsPath);
        foreach (GptParameterInfo info in network.Parameters.Layout)
        {
            using var scope = NewDisposeScope();
            var values = new float[info.ElementCount];
            foreach ((string prefix, Tensor buffer) in BuffersOf(network, optimizer, averaged: average is not null))
            {
                Require(file, prefix + info.Name, info.Shape);
                file.Read(prefix + info.Name, values);
                network.Parameters.ViewOf(buffer, info.Name).copy_(tensor(values).view([.. info.Shape]));
            }
        }

        network.Parameters.RefreshWorkingCopy();
        optimizer.StepCount = _content.OptimizerSteps;
        return _content.State;
    }

    /// <summary>What is stored, by the prefix of its tensors' names. With averaging, the network's weights are not those of the checkpoint, which has the averages.</summary>
    private static IEnumerable<(string Prefix, Tensor Buffer)> BuffersOf(GptNetwork network, AdamW optimizer, bool averaged)
    {
        yield return (FirstMoment, optimizer.FirstMoment);
        yield return (SecondMoment, optimizer.SecondMoment);
        if (averaged) yield return (Weights, network.Parameters.Master);
    }

    private static void Require(SafeTensorsFile file, string name, IReadOnlyList<long> shape)
    {
        SafeTensorInfo? info = file.Find(name);
        if (info is { Type: SafeTensorType.Float32 } && info.Shape.SequenceEqual(shape)) return;
        throw new TensorMismatchException(file.Path, name, $"[{string.Join(", ", shape)}] F32", info?.ToString() ?? "nothing",
            "Begin a new run in another folder; the weights beside it can still be used.");
    }

    private sealed record Content(int Version, long Seed, TrainingState State, int OptimizerSteps, SortedDictionary<string, string> Options);
}
