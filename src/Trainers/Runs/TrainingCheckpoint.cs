using System.Text.Json;
using System.Text.Json.Serialization;
using TorchSharp;
using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>
/// The folder <c>training_state</c> of a checkpoint: <c>state.json</c> (counters, the options and data that the losses depend on) and
/// <c>state.safetensors</c> (the optimizer's moments; where the weights are averaged, those that training goes on with). Random generators have no entry: each micro-batch seeds them anew.
/// </summary>
internal sealed class TrainingCheckpoint
{
    /// <summary>Before it, pretraining wrote no kind and version 2, fine-tuning version 1: the same members otherwise.</summary>
    private const int Version = 3;
    private const string FirstMoment = "first_moment.", SecondMoment = "second_moment.", Weights = "weights.";
    private const string Remedy = "Begin a new run in another folder; the weights beside it can still be used.";
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals, RespectNullableAnnotations = true };

    private readonly string _folder;
    private readonly Content _content;

    private TrainingCheckpoint(string checkpoint, Content content)
    {
        Checkpoint = checkpoint;
        _folder = Path.Combine(checkpoint, GptCheckpoint.TrainingStateFolder);
        _content = content;
    }

    /// <summary>The checkpoint's folder.</summary>
    public string Checkpoint { get; }

    /// <summary>The seed of the run.</summary>
    public long Seed => _content.Seed;

    /// <summary>The counters of the run.</summary>
    public RunState State => _content.State;

    private string TensorsPath => Path.Combine(_folder, "state.safetensors");

    /// <summary>What an option of the run was, as its fingerprint has it; null where it has none of that name.</summary>
    public string? OptionOf(string name) => _content.Options.GetValueOrDefault(name);

    /// <summary>Writes the training state into the temporary folder of a checkpoint.</summary>
    /// <param name="checkpointFolder">The folder.</param>
    /// <param name="sets">What is trained, with its optimizer.</param>
    /// <param name="weights">Where the weights are averaged: those that training goes on with, for each set.</param>
    /// <param name="state">The counters.</param>
    /// <param name="seed">The seed of the run.</param>
    /// <param name="fingerprint">What a resumed run must have in common with it.</param>
    public static void Write(string checkpointFolder, TrainableSets sets, IReadOnlyList<Tensor>? weights, RunState state, long seed, Fingerprint fingerprint)
    {
        string folder = Directory.CreateDirectory(Path.Combine(checkpointFolder, GptCheckpoint.TrainingStateFolder)).FullName;
        File.WriteAllText(Path.Combine(folder, "state.json"), JsonSerializer.Serialize(new Content(Version, fingerprint.Kind, seed, state, sets.StepCount, new(fingerprint.Values.ToDictionary(), StringComparer.Ordinal))
        {
            OptimizerStepsOfSets = sets.Sets.All(set => set.Optimizer.StepCount == sets.StepCount) ? null : [.. sets.Sets.Select(static set => set.Optimizer.StepCount)],
        }, Json));

        using var noGradient = no_grad();
        Dictionary<string, (FlatParameters Set, Tensor Buffer, GptParameterInfo Info)> views = Views(sets, weights);
        SafeTensorsWriter.Write(Path.Combine(folder, "state.safetensors"), views.Select(static view => new SafeTensorInfo(view.Key, SafeTensorType.Float32, view.Value.Info.Shape)), (tensor, stream) =>
        {
            using var scope = NewDisposeScope();
            (FlatParameters set, Tensor buffer, GptParameterInfo info) = views[tensor.Name];
            stream.Write(set.ViewOf(buffer, info.Name).cpu().contiguous().bytes);
        });
    }

    /// <summary>Opens the training state of a checkpoint.</summary>
    /// <exception cref="CorruptFileException">There is none, or it can't be read.</exception>
    public static TrainingCheckpoint Open(string checkpointFolder)
    {
        AtomicFolder.Recover(checkpointFolder);
        string path = Path.Combine(checkpointFolder, GptCheckpoint.TrainingStateFolder, "state.json");
        if (!File.Exists(path)) throw new CorruptFileException(path, "the checkpoint has no training state to resume from.", Remedy);
        try
        {
            Content content = StrictJson.Deserialize<Content>(File.ReadAllBytes(path), Json);
            if (content is not { State: not null, Options: not null } || (content.Version, content.Kind) is not ((Version, not null) or (2, null) or (1, Fingerprint.FineTuning)))
                throw new CorruptFileException(path, $"it has version {content.Version}, and this library reads version {Version}.", Remedy);
            if (content.Problem() is { } problem) throw new CorruptFileException(path, problem, Remedy);
            return new(checkpointFolder, content with { Kind = content.Kind ?? Fingerprint.Pretraining });
        }
        catch (JsonException e)
        {
            throw new CorruptFileException(path, $"it is not the JSON that it should be ({e.Message})", Remedy, e);
        }
    }

    /// <summary>Checks that the run to come has the same model, data and hyperparameters as the one that wrote this state.</summary>
    /// <exception cref="ResumeMismatchException">Something differs; the message names it.</exception>
    public void RequireSame(Fingerprint now)
    {
        var differences = new List<(string, string, string)>();
        if (now.Kind != _content.Kind) differences.Add(("Trainer", _content.Kind!, now.Kind));
        foreach (string name in now.Values.Keys.Union(_content.Options.Keys).Order(StringComparer.Ordinal))
        {
            string before = _content.Options.GetValueOrDefault(name, "absent"), value = now.Values.GetValueOrDefault(name, "absent");
            if (before != value) differences.Add((name, before, value));
        }

        if (differences.Count > 0) throw new ResumeMismatchException(Checkpoint, differences);
    }

    /// <summary>Checks that the file of the tensors is there and whole.</summary>
    /// <exception cref="CorruptFileException">It is missing or breaks the rules of its format.</exception>
    public void RequireWhole()
    {
        if (!File.Exists(TensorsPath)) throw new CorruptFileException(TensorsPath, "it is missing.", Remedy);
        SafeTensorsFile.Open(TensorsPath).Dispose();
    }

    /// <summary>Restores the optimizer's moments and its count, and where the weights are averaged, those that training goes on with.</summary>
    /// <param name="sets">What is trained, with its optimizer.</param>
    /// <param name="weights">Where the weights are averaged: where to put the others, for each set.</param>
    /// <exception cref="TensorMismatchException">A tensor is missing or has another shape.</exception>
    public void Restore(TrainableSets sets, IReadOnlyList<Tensor>? weights)
    {
        using var noGradient = no_grad();
        using SafeTensorsFile file = SafeTensorsFile.Open(TensorsPath);
        foreach ((string name, (FlatParameters set, Tensor buffer, GptParameterInfo info)) in Views(sets, weights))
        {
            using var scope = NewDisposeScope();
            SafeTensorInfo? found = file.Find(name);
            if (found is not { Type: SafeTensorType.Float32 } || !found.Shape.SequenceEqual(info.Shape))
                throw new TensorMismatchException(file.Path, name, $"{info.ShapeText} F32", found?.ToString() ?? "nothing", Remedy);
            var values = new float[info.ElementCount];
            file.Read(name, values);
            set.ViewOf(buffer, info.Name).copy_(tensor(values).view([.. info.Shape]));
        }

        sets.StepCount = _content.OptimizerSteps;
        if (_content.OptimizerStepsOfSets is not { } counts) return;
        if (counts.Count != sets.Sets.Count) throw new CorruptFileException(Path.Combine(_folder, "state.json"), $"it counts the updates of {counts.Count} sets of parameters, and {sets.Sets.Count} are trained.", Remedy);
        for (int i = 0; i < counts.Count; i++) sets.Sets[i].Optimizer.StepCount = counts[i];
    }

    /// <summary>What is stored, by the names of its tensors.</summary>
    private static Dictionary<string, (FlatParameters Set, Tensor Buffer, GptParameterInfo Info)> Views(TrainableSets sets, IReadOnlyList<Tensor>? weights)
    {
        var views = new Dictionary<string, (FlatParameters, Tensor, GptParameterInfo)>(StringComparer.Ordinal);
        for (int i = 0; i < sets.Sets.Count; i++)
        {
            (FlatParameters set, AdamW optimizer) = sets.Sets[i];
            foreach (GptParameterInfo info in set.Layout)
            {
                string name = set.StatePrefix + info.Name;
                views.Add(FirstMoment + name, (set, optimizer.FirstMoment, info));
                views.Add(SecondMoment + name, (set, optimizer.SecondMoment, info));
                if (weights is not null) views.Add(Weights + name, (set, weights[i], info));
            }
        }

        return views;
    }

    private sealed record Content(int Version, string? Kind, long Seed, RunState State, int OptimizerSteps, SortedDictionary<string, string> Options)
    {
        /// <summary>The updates of each set, where some were held in a part of them.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public IReadOnlyList<int>? OptimizerStepsOfSets { get; init; }

        /// <summary>Which counter no run can have left; null where all can be.</summary>
        public string? Problem()
        {
            (string Name, long Value, long Least, long Most)[] counters =
            [
                ("step", State.Step, 0, int.MaxValue - 1),
                ("position.epoch", State.Position.Epoch, 0, long.MaxValue),
                ("position.index", State.Position.Index, 0, long.MaxValue),
                ("row_part", State.RowPart, 0, int.MaxValue),
                ("tokens", State.Tokens, 0, long.MaxValue),
                ("reported_step", State.ReportedStep, 0, State.Step),
                ("evaluated_step", State.EvaluatedStep, -1, State.Step),
                ("best_step", State.BestStep, 0, int.MaxValue - 1), // a killed run may have left a best evaluation that this one has not come to yet
                ("evaluations_since_best", State.EvaluationsSinceBest, 0, int.MaxValue - 1),
                ("loss_spikes", State.LossSpikes, 0, State.Step),
                ("skipped_updates", State.SkippedUpdates, 0, State.Step),
                ("skipped_in_a_row", State.SkippedInARow, 0, State.SkippedUpdates),
            ];
            foreach ((string name, long value, long least, long most) in counters)
            {
                if (value < least || value > most) return $"its {name} is {value}; it must be {least} to {most}.";
            }

            if (OptimizerStepsOfSets?.Any(count => count < 0 || count > OptimizerSteps) == true) return $"its optimizer_steps_of_sets are {string.Join(", ", OptimizerStepsOfSets)}; each must be 0 to {OptimizerSteps}.";

            if (State.Metrics.FirstOrDefault(static metric => metric.Value is null).Key is { } empty) return $"its metrics.{empty} is null.";
            if (Kind == Fingerprint.PolicyOptimization && (State.Policy is null ? State.Step > 0 ? "it has no 'policy', and updates were made." : null : State.Policy.Problem(State.Step)) is { } problem) return problem;

            // Each step makes its update or leaves it out.
            return (long)OptimizerSteps + State.SkippedUpdates == State.Step ? null
                : $"its step is {State.Step}, but the optimizer made {OptimizerSteps} updates and {State.SkippedUpdates} were left out.";
        }
    }
}
