using System.Text.Json;

namespace MLNet.Gpt.Trainers.Tests.Tasks;

/// <summary>The cases that tests/reference/task_gradients.py computed.</summary>
internal sealed class TaskCase(JsonElement json)
{
    public static IReadOnlyList<TaskCase> All { get; } = [.. JsonDocument
        .Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "fixtures", "task_gradients.json")))
        .RootElement.EnumerateArray().Select(static e => new TaskCase(e))];

    public string Name { get; } = json.GetProperty("name").GetString()!;

    public GptConfig Config { get; } = new()
    {
        VocabularySize = json.GetProperty("V").GetInt32(),
        ContextLength = json.GetProperty("T").GetInt32(),
        EmbeddingSize = json.GetProperty("C").GetInt32(),
        LayerCount = json.GetProperty("L").GetInt32(),
        HeadCount = json.GetProperty("H").GetInt32(),
        BlockForm = json.GetProperty("post").GetBoolean() ? GptBlockForm.PostNorm : GptBlockForm.PreNorm,
    };

    public ClassifierHead Head { get; } = HeadOf(Enum.Parse<SupervisedTask>(json.GetProperty("task").GetString()!), json.GetProperty("outputs").GetInt32());

    public double AuxiliaryWeight { get; } = json.GetProperty("aux").GetDouble();

    public double[]? ClassWeights { get; } = json.GetProperty("class_weights").Deserialize<double[]?>();

    public double[][] Outputs { get; } = json.GetProperty("head_outputs").Deserialize<double[][]>()!;

    public double TaskLoss { get; } = json.GetProperty("task_loss").GetDouble();

    public double AuxiliaryLoss { get; } = json.GetProperty("auxiliary_loss").GetDouble();

    public IReadOnlyDictionary<string, double[]> Gradients { get; } = json.GetProperty("gradients").Deserialize<Dictionary<string, double[]>>()!;

    private readonly int[][][] texts = json.GetProperty("texts").Deserialize<int[][][]>()!;

    private readonly double[] labels = json.GetProperty("labels").Deserialize<double[]>()!;

    public override string ToString() => Name;

    /// <summary>The examples, laid out by the library; the reference lays out its own.</summary>
    public TaskExample[] Build() => [.. texts.Select((example, i) => new TaskExample(TaskSequences.Build(Head, Config, example, out _), Head.IsRegression ? 0 : (int)labels[i], (float)labels[i]))];

    /// <summary>A network with the formula's weights.</summary>
    public TaskNetwork Network(bool trainable = true, FrozenWeights freeze = FrozenWeights.None)
    {
        var network = new TaskNetwork(GptNetwork.FromWeights(new FormulaWeights(Config), GptDevice.Cpu, trainable: trainable && freeze == FrozenWeights.None), Head, trainable, freeze == FrozenWeights.AllButHead);
        string[] extra = [ClassifierParameterLayout.SpecialTokens, ClassifierParameterLayout.HeadWeight, ClassifierParameterLayout.HeadBias];
        foreach ((FlatParameters set, GptParameterInfo info) in network.Added.SelectMany(static set => set.Layout.Select(info => (set, info))))
            set.Write(info.Name, [.. Enumerable.Range(0, (int)info.ElementCount).Select(i => (float)(0.3 * Math.Sin((0.37 * i) + (1.3 * (100 + Array.IndexOf(extra, info.Name))))))]);
        return network;
    }

    private static ClassifierHead HeadOf(SupervisedTask task, int outputs)
    {
        bool regression = task == SupervisedTask.SentenceSimilarity && outputs == 1;
        return new() { Task = task, IsRegression = regression, Labels = outputs == 1 ? [] : [.. Enumerable.Range(0, outputs).Select(static i => $"class {i}")] };
    }
}
