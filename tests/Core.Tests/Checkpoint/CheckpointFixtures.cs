namespace MLNet.Gpt.Core.Tests.Checkpoint;

/// <summary>The folders that tests/reference/safetensors_checkpoints.py wrote, and weights for tests.</summary>
internal static class CheckpointFixtures
{
    /// <summary>The shape of the committed GPT-2 folders.</summary>
    public static GptConfig Gpt2 { get; } = new()
    {
        VocabularySize = 11, ContextLength = 6, EmbeddingSize = 4, LayerCount = 2, HeadCount = 2, EmbeddingDropout = 0.2f, AttentionDropout = 0.1f, ResidualDropout = 0.3f,
    };

    public static string Folder(string name) => TestData.Fixture(Path.Combine("checkpoints", name));

    public static void Copy(string name, string destination)
    {
        Directory.CreateDirectory(destination);
        foreach (string file in Directory.EnumerateFiles(Folder(name))) File.Copy(file, Path.Combine(destination, Path.GetFileName(file)));
    }

    /// <summary>Asserts that every parameter holds the values of the script: element i of parameter k is ((7i + 3k) mod 251 - 125) / 64.</summary>
    public static void AssertFormula(IGptWeights weights)
    {
        IReadOnlyList<GptParameterInfo> layout = GptParameterLayout.Of(weights.Config);
        for (int k = 0; k < layout.Count; k++)
        {
            var values = new float[layout[k].ElementCount];
            weights.Read(layout[k].Name, values);
            for (int i = 0; i < values.Length; i++) Assert.AreEqual(((((7 * i) + (3 * k)) % 251) - 125) / 64f, values[i], $"{layout[k].Name}[{i}]");
        }
    }

    /// <summary>Asserts that two sets of weights are the same, bit for bit.</summary>
    public static void AssertEqual(IGptWeights expected, IGptWeights actual)
    {
        foreach (GptParameterInfo parameter in GptParameterLayout.Of(expected.Config))
        {
            float[] first = new float[parameter.ElementCount], second = new float[parameter.ElementCount];
            expected.Read(parameter.Name, first);
            actual.Read(parameter.Name, second);
            CollectionAssert.AreEqual(first, second, parameter.Name);
        }
    }
}

/// <summary>Seeded random weights in memory.</summary>
internal sealed class RandomWeights : IGptWeights
{
    private readonly Dictionary<string, float[]> _values = [];

    public RandomWeights(GptConfig config, int seed = 0)
    {
        Config = config;
        var random = new Random(seed);
        foreach (GptParameterInfo parameter in GptParameterLayout.Of(config))
            _values.Add(parameter.Name, [.. Enumerable.Range(0, (int)parameter.ElementCount).Select(_ => (float)(random.NextDouble() - 0.5))]);
    }

    public GptConfig Config { get; }

    public void Read(string name, Span<float> destination) => _values[name].CopyTo(destination);
}
