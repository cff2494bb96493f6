using System.Text.Json;

namespace MLNet.Gpt.Trainers.Tests.Preferences;

/// <summary>The cases that tests/reference/reward_gradients.py computed.</summary>
internal sealed class RewardCase(JsonElement json)
{
    public static IReadOnlyList<RewardCase> All { get; } = [.. JsonDocument
        .Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "fixtures", "reward_gradients.json")))
        .RootElement.EnumerateArray().Select(static e => new RewardCase(e))];

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

    public RewardHead Head { get; } = new() { Readout = json.GetProperty("readout").GetBoolean() ? RewardReadout.ReadoutToken : RewardReadout.LastToken };

    public RewardModelOptions Options { get; } = new() { Margin = json.GetProperty("margin").GetDouble(), Centering = json.GetProperty("centering").GetDouble() };

    public double[][] Rewards { get; } = json.GetProperty("rewards").Deserialize<double[][]>()!;

    public double Loss { get; } = json.GetProperty("loss").GetDouble();

    public IReadOnlyDictionary<string, double[]> Gradients { get; } = json.GetProperty("gradients").Deserialize<Dictionary<string, double[]>>()!;

    public override string ToString() => Name;

    /// <summary>The prompts, laid out by the library; the reference lays out its own.</summary>
    public RankedGroup[] Groups() => [.. json.GetProperty("groups").EnumerateArray().Select((group, row) =>
    {
        int[] prompt = group[0].Deserialize<int[]>()!;
        int[][] responses = group[1].Deserialize<int[][]>()!;
        double[] grades = group[2].Deserialize<double[]>()!;
        return new RankedGroup(row, [.. responses.Select((response, i) => new RankedResponse(RewardSequences.Build(Head, Config, prompt, response, out _), response.Length - 1, grades[i]))]);
    })];

    /// <summary>A network with the formula's weights.</summary>
    public RewardNetwork Network(bool trainable = true, FrozenWeights freeze = FrozenWeights.None)
    {
        var network = new RewardNetwork(GptNetwork.FromWeights(new FormulaWeights(Config), GptDevice.Cpu, trainable: trainable && freeze == FrozenWeights.None), Head, trainable, freeze == FrozenWeights.AllButHead);
        (FlatParameters Set, GptParameterInfo Info)[] added = [.. network.Added.SelectMany(static set => set.Layout.Select(info => (set, info)))];
        for (int k = 0; k < added.Length; k++)
        {
            (FlatParameters set, GptParameterInfo info) = added[k];
            set.Write(info.Name, [.. Enumerable.Range(0, (int)info.ElementCount).Select(i => (float)(0.3 * Math.Sin((0.37 * i) + (1.3 * (100 + k)))))]);
        }

        return network;
    }
}
