using System.Text.Json;

namespace MLNet.Gpt.Trainers.Tests;

/// <summary>The cases that tests/reference/gpt_gradients.py computed.</summary>
internal static class Fixtures
{
    public static IReadOnlyList<GradientCase> Gradients { get; } = [.. JsonDocument
        .Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "fixtures", "gpt_gradients.json")))
        .RootElement.EnumerateArray().Select(static e => new GradientCase(e))];

    public static IEnumerable<object[]> GradientNames => Gradients.Select(static c => new object[] { c.Name });
}

internal sealed class GradientCase(JsonElement json)
{
    public string Name { get; } = json.GetProperty("name").GetString()!;

    public GptConfig Config { get; } = new()
    {
        VocabularySize = json.GetProperty("V").GetInt32(),
        ContextLength = json.GetProperty("T").GetInt32(),
        EmbeddingSize = json.GetProperty("C").GetInt32(),
        LayerCount = json.GetProperty("L").GetInt32(),
        HeadCount = json.GetProperty("H").GetInt32(),
        BlockForm = json.GetProperty("post").GetBoolean() ? GptBlockForm.PostNorm : GptBlockForm.PreNorm,
        AttentionPattern = json.GetProperty("band").ValueKind == JsonValueKind.Null ? GptAttentionPattern.Dense : GptAttentionPattern.AlternatingDenseAndBanded,
        AttentionBandWidth = json.GetProperty("band").ValueKind == JsonValueKind.Null ? 1 : json.GetProperty("band").GetInt32(),
    };

    public long[][] Ids { get; } = json.GetProperty("ids").Deserialize<long[][]>()!;

    public long[] Targets { get; } = [.. json.GetProperty("targets").Deserialize<long[][]>()!.SelectMany(static row => row)];

    public double Loss { get; } = json.GetProperty("loss").GetDouble();

    public double[] Logits { get; } = json.GetProperty("logits").Deserialize<double[]>()!;

    public IReadOnlyDictionary<string, double[]> Gradients { get; } = json.GetProperty("gradients").Deserialize<Dictionary<string, double[]>>()!;

    /// <summary>The weights of the reference: 0.3·sin(0.37·i + 1.3·k), k the parameter's place in the layout; LayerNorm gains 1 more.</summary>
    public IGptWeights Weights => new FormulaWeights(Config);
}

/// <summary>Weights by a formula that the reference scripts share.</summary>
internal sealed class FormulaWeights(GptConfig config) : IGptWeights
{
    private readonly List<string> names = [.. GptParameterLayout.Of(config).Select(static p => p.Name)];

    public GptConfig Config => config;

    public void Read(string name, Span<float> destination)
    {
        int k = names.IndexOf(name);
        bool gain = name.Contains("ln_", StringComparison.Ordinal) && name.EndsWith("weight", StringComparison.Ordinal);
        for (int i = 0; i < destination.Length; i++) destination[i] = (float)((0.3 * Math.Sin((0.37 * i) + (1.3 * k))) + (gain ? 1 : 0));
    }
}
