using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// What a fine-tuning run keeps on disk: metrics, the loss curve, and the checkpoints <c>last</c>, with the folder <c>training_state</c> that
/// resuming needs, and <c>best</c>.
/// </summary>
internal sealed class FineTuningFolder
{
    private const int Version = 1;
    private const string FirstMoment = "first_moment.", SecondMoment = "second_moment.";
    private const string Remedy = "Begin a new run in another folder; the weights beside it can still be used.";
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    private readonly GptTokenizer _tokenizer;
    private readonly ChatTemplate? _chatTemplate;
    private readonly string? _baseModel;
    private readonly long _seed;
    private readonly IReadOnlyDictionary<string, string> _fingerprint;

    /// <summary>Names an existing folder.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="tokenizer">Goes into checkpoints.</param>
    /// <param name="chatTemplate">Goes into checkpoints; null for none.</param>
    /// <param name="baseModel">The base's folder, for adapters; null where it is not known.</param>
    /// <param name="seed">The seed of the run.</param>
    /// <param name="fingerprint">What a resumed run must have in common with this one.</param>
    public FineTuningFolder(string path, GptTokenizer tokenizer, ChatTemplate? chatTemplate, string? baseModel, long seed, IReadOnlyDictionary<string, string> fingerprint)
    {
        Path = System.IO.Path.GetFullPath(path);
        _tokenizer = tokenizer;
        _chatTemplate = chatTemplate;
        _baseModel = baseModel;
        _seed = seed;
        _fingerprint = fingerprint;
        Metrics = new(Path);
    }

    /// <summary>The folder's full path.</summary>
    public string Path { get; }

    /// <summary>metrics.jsonl and loss.svg.</summary>
    public MetricsLog Metrics { get; }

    /// <summary>The checkpoint of the last state that this run wrote or began from, or null.</summary>
    public string? LastWritten { get; private set; }

    private string Last => LastOf(Path);

    private string Best => System.IO.Path.Combine(Path, "checkpoints", "best");

    /// <summary>The seed of the run in a folder.</summary>
    /// <exception cref="CorruptFileException">There is no run, or its state can't be read.</exception>
    public static long SeedOf(string path) => ReadContent(LastOf(System.IO.Path.GetFullPath(path))).Seed;

    /// <summary>Writes what was trained, and all that resuming needs.</summary>
    public void WriteLast(FineTuningNetwork network, TrainableSets sets, FineTuningState state)
    {
        network.Write(Last, _tokenizer, _chatTemplate, _baseModel, folder => WriteState(folder, sets, state));
        LastWritten = Last;
    }

    /// <summary>Writes what was trained.</summary>
    public void WriteBest(FineTuningNetwork network) => network.Write(Best, _tokenizer, _chatTemplate, _baseModel, addFiles: null);

    /// <summary>Puts the best evaluation's numbers, where there are any, into <paramref name="best"/>, then the last state into the network and the optimizer.</summary>
    /// <exception cref="ResumeMismatchException">The run had other options or data.</exception>
    /// <exception cref="CorruptFileException">There is no run, or its state can't be read.</exception>
    public FineTuningState Resume(FineTuningNetwork network, TrainableSets sets, KeptWeights? best)
    {
        Content content = ReadContent(Last);
        var differences = new List<(string, string, string)>();
        foreach (string name in _fingerprint.Keys.Union(content.Options.Keys).Order(StringComparer.Ordinal))
        {
            string before = content.Options.GetValueOrDefault(name, "absent"), now = _fingerprint.GetValueOrDefault(name, "absent");
            if (before != now) differences.Add((name, before, now));
        }

        if (differences.Count > 0) throw new ResumeMismatchException(Last, differences);
        AtomicFolder.Recover(Best);
        if (best is not null && content.State.BestValidationLoss is not null && Directory.Exists(Best))
        {
            network.Read(Best);
            best.Keep();
        }

        network.Read(Last);
        using var noGradient = no_grad();
        using SafeTensorsFile file = SafeTensorsFile.Open(System.IO.Path.Combine(Last, GptCheckpoint.TrainingStateFolder, "state.safetensors"));
        foreach ((FlatParameters parameters, AdamW optimizer) in sets.Sets)
        {
            foreach (GptParameterInfo info in parameters.Layout)
            {
                Read(FirstMoment, optimizer.FirstMoment);
                Read(SecondMoment, optimizer.SecondMoment);

                void Read(string prefix, Tensor moment)
                {
                    using var scope = NewDisposeScope();
                    SafeTensorInfo? found = file.Find(prefix + info.Name);
                    if (found is not { Type: SafeTensorType.Float32 } || !found.Shape.SequenceEqual(info.Shape))
                        throw new TensorMismatchException(file.Path, prefix + info.Name, $"{info.ShapeText} F32", found?.ToString() ?? "nothing", Remedy);
                    var values = new float[info.ElementCount];
                    file.Read(prefix + info.Name, values);
                    parameters.ViewOf(moment, info.Name).copy_(tensor(values).view([.. info.Shape]));
                }
            }
        }

        sets.StepCount = content.OptimizerSteps;
        LastWritten = Last;
        return content.State;
    }

    private static string LastOf(string path) => System.IO.Path.Combine(path, "checkpoints", "last");

    private static Content ReadContent(string checkpoint)
    {
        AtomicFolder.Recover(checkpoint);
        string path = System.IO.Path.Combine(checkpoint, GptCheckpoint.TrainingStateFolder, "state.json");
        if (!File.Exists(path)) throw new CorruptFileException(path, "there is no fine-tuning run to resume.", "Set Resume to false to begin one.");
        try
        {
            Content? content = JsonSerializer.Deserialize<Content>(File.ReadAllText(path), Json);
            return content is { Kind: "fine-tuning", Version: Version, State: not null, Options: not null } ? content
                : throw new CorruptFileException(path, $"it is '{content?.Kind}' of version {content?.Version}, and this library reads 'fine-tuning' of version {Version}.", Remedy);
        }
        catch (JsonException e)
        {
            throw new CorruptFileException(path, $"it is not the JSON that it should be ({e.Message})", Remedy, e);
        }
    }

    private void WriteState(string checkpointFolder, TrainableSets sets, FineTuningState state)
    {
        string folder = Directory.CreateDirectory(System.IO.Path.Combine(checkpointFolder, GptCheckpoint.TrainingStateFolder)).FullName;
        File.WriteAllText(System.IO.Path.Combine(folder, "state.json"),
            JsonSerializer.Serialize(new Content("fine-tuning", Version, _seed, state, sets.StepCount, new(_fingerprint.ToDictionary(), StringComparer.Ordinal)), Json));

        using var noGradient = no_grad();
        var views = new Dictionary<string, (FlatParameters Parameters, Tensor Moment, string Name)>(StringComparer.Ordinal);
        var tensors = new List<SafeTensorInfo>();
        foreach ((FlatParameters parameters, AdamW optimizer) in sets.Sets)
        {
            foreach (GptParameterInfo info in parameters.Layout)
            {
                views.Add(FirstMoment + info.Name, (parameters, optimizer.FirstMoment, info.Name));
                views.Add(SecondMoment + info.Name, (parameters, optimizer.SecondMoment, info.Name));
                tensors.Add(new(FirstMoment + info.Name, SafeTensorType.Float32, info.Shape));
                tensors.Add(new(SecondMoment + info.Name, SafeTensorType.Float32, info.Shape));
            }
        }

        SafeTensorsWriter.Write(System.IO.Path.Combine(folder, "state.safetensors"), tensors, (info, stream) =>
        {
            using var scope = NewDisposeScope();
            (FlatParameters parameters, Tensor moment, string name) = views[info.Name];
            stream.Write(parameters.ViewOf(moment, name).cpu().contiguous().bytes);
        });
    }

    private sealed record Content(string Kind, int Version, long Seed, FineTuningState State, int OptimizerSteps, SortedDictionary<string, string> Options);
}
